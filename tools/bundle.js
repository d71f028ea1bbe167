/**
 * `npm run bundle`: the command line of dist/cli, and all that it imports of ours, in few files in dist/bin.
 *
 * Unbundled, a peer finds, reads and links some two hundred modules one by one before it is ready, a quarter of the processor time of a start. What is loaded when it is asked for stays
 * a file of its own. Packages stay where npm puts them. The rest of dist is for programs that import the package, and for tools that change one file of it.
 */
import { build } from 'esbuild';
import { chmod, rm } from 'node:fs/promises';

const BIN = 'dist/bin';
const COMMAND = 'toposphere';

await rm(BIN, { recursive: true, force: true });
await build({
  // The thread is looked for beside the file that starts it.
  entryPoints: { [COMMAND]: 'dist/cli/main.js', loadThread: 'dist/cli/bench/loadThread.js' },
  outdir: BIN,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
});
await chmod(`${BIN}/${COMMAND}.js`, 0o755);
