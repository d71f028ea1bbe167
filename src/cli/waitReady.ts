/**
 * `toposphere wait-ready`: returns when peers take part and have caught up, for scripts that go on then.
 *
 * Owns the asking and the patience. What "caught up" means is src/peer/caughtUp.ts's. A peer that does not answer yet is waited for: it may be starting.
 */
import type { Argv } from 'yargs';
import { CommandFailure, PeerRefusal } from './failure.ts';
import { printLine } from './print.ts';
import { askStatus } from './status.ts';
import { parseStatus } from './statusReport.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target } from './target.ts';

const POLL_MS = 200;
const DEFAULT_SECONDS = 60;
const BAR_CELLS = 20;

/** Undefined when the peer is ready; else what it does meanwhile. */
async function findDelay(target: Target): Promise<string | undefined> {
  try {
    const { isCaughtUp, phase, joining, lagUpdates } = parseStatus(await askStatus(target));
    if (isCaughtUp) return undefined;
    if (phase !== 'member') return `${phase ?? 'starting'}${describeBytes(joining.bytes)}`;
    return lagUpdates === 0 ? 'listens for the others' : `lacks ${lagUpdates ?? '?'} updates`;
  } catch (error) {
    // A wrong password stays wrong.
    if (!(error instanceof CommandFailure) || error instanceof PeerRefusal) throw error;
    return 'does not answer';
  }
}

/** A checkpoint's size is not known before its last part: the bar moves by what has come. */
function describeBytes(bytes: number): string {
  if (bytes === 0) return '';
  const mebibytes = bytes / 2 ** 20;
  const at = Math.floor(mebibytes) % BAR_CELLS;
  return ` [${'·'.repeat(at)}█${'·'.repeat(BAR_CELLS - 1 - at)}] ${mebibytes.toFixed(1)} MiB`;
}

async function waitUntilReady(targets: readonly Target[], seconds: number): Promise<void> {
  const deadlineMs = performance.now() + seconds * 1000;
  const { isTTY } = process.stderr;
  for (;;) {
    const delays = await Promise.all(
      targets.map(async (target) => {
        const delay = await findDelay(target);
        return delay === undefined ? [] : [`${nameOf(target)} ${delay}`];
      }),
    );
    const waiting = delays.flat();
    if (isTTY) process.stderr.write(`\r\x1b[K${waiting.join(', ')}`);
    if (waiting.length === 0) return;
    if (performance.now() > deadlineMs) {
      if (isTTY) process.stderr.write('\n');
      throw new CommandFailure(`not ready after ${seconds} s: ${waiting.join(', ')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export function addWaitReady(yargs: Argv): Argv {
  return yargs.command(
    'wait-ready',
    'wait until the peers of servers.txt (or one of them) take part and have caught up',
    (options) =>
      withTarget(options).option('seconds', {
        type: 'number',
        requiresArg: true,
        default: DEFAULT_SECONDS,
        describe: 'give up after so many; the exit code is 1 then',
      }),
    async (argv) => {
      if (!(argv.seconds > 0)) throw new CommandFailure('--seconds must be a number above 0');
      const targets = await findTargets(argv);
      await waitUntilReady(targets, argv.seconds);
      printLine(`ready: ${targets.map(nameOf).join(', ')}`);
    },
  );
}
