/**
 * `toposphere restore`: turns a checkpoint file into a peer's disk, while the peer is stopped.
 *
 * Owns the words and what to do next. Takes the settings of `serve`, so that what the peer is started with can be given here as it is.
 */
import type { Argv } from 'yargs';
import { resolvePeerOptions } from '../peer/configuration.ts';
import { textLogger } from './logOutput.ts';
import { printLine } from './print.ts';
import { readSettings, withSettings } from './settingsOptions.ts';

export function addRestore(yargs: Argv): Argv {
  return yargs.command(
    'restore [file]',
    "make a checkpoint file (by default the newest whole one) a stopped peer's disk",
    (options) =>
      withSettings(
        options
          .positional('file', { type: 'string', describe: 'path of a checkpoint file of this peer' })
          .option('replace', {
            type: 'boolean',
            default: false,
            describe: 'move a store that is there aside',
          })
          .option('begin', {
            type: 'boolean',
            default: false,
            describe: 'no other peer has data left: begin with what the file holds',
          }),
      ),
    async (argv) => {
      const { settings, origins } = await readSettings(argv);
      const options = await resolvePeerOptions(settings, textLogger, origins);
      // Loaded only here: the client commands need neither LMDB nor the protocol.
      const { restorePeer } = await import('../peer/restoring.ts');
      const { path, manifest, aside } = await restorePeer({
        options,
        file: argv.file,
        isReplacing: argv.replace,
        isBeginning: argv.begin,
        nowMs: Date.now(),
      });
      if (aside !== undefined) printLine(`the store that was there is in ${aside}`);
      printLine(
        `${options.dataDirectory} holds what ${path} does: ${manifest.keys.toLocaleString('en')} keys, as of ${manifest.writtenAt}`,
      );
      printLine(
        argv.begin
          ? `Start ${options.id}: it takes part at once, and empty peers join from it.`
          : `Start ${options.id}: it takes writes when it has joined the others. If none of them has data left, restore with --begin.`,
      );
    },
  );
}
