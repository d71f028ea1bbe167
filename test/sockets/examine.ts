/**
 * `toposphere doctor --json` for tests: what it finds.
 *
 * Owns the command and the reading of its answer. What is wrong is the tests' to bring about. What a busy machine does by itself (a slow disk) is left out.
 */
import assert from 'node:assert/strict';
import { runCommand } from './command.ts';

export interface Found {
  readonly severity: string;
  readonly code: string;
  readonly peers: readonly string[];
  readonly seen: string;
  readonly fix: string;
}

/** Granted on any Linux. */
const SMALL_BUFFER_BYTES = 65_536;
/** Settings under which a machine that is busy gives rise to no finding. */
export const QUIET = { receiveBufferBytes: SMALL_BUFFER_BYTES, checkpointIntervalMs: 0 };

/** What doctor finds, but for what the load of this very machine brings about. */
export async function examine(
  servers: string,
  ...words: readonly string[]
): Promise<{ code: number | null; findings: readonly Found[] }> {
  const { ended, lines } = await runCommand(['doctor', '--servers', servers, '--json', ...words], 60_000);
  const text = lines.flatMap((line) => (line.startsWith('out ') ? [line.slice(4)] : [])).join('\n');
  const { findings } = JSON.parse(text) as { findings: readonly Found[] };
  return { code: ended.code, findings: findings.filter(({ code }) => code !== 'flush') };
}

export function only(findings: readonly Found[], code: string): Found {
  const [found, ...more] = findings.filter((finding) => finding.code === code);
  assert.ok(
    found !== undefined && more.length === 0,
    `${code} once among:\n${JSON.stringify(findings, undefined, 2)}`,
  );
  return found;
}
