/**
 * `toposphere status`: asks every peer of servers.txt (or one) how it is, and prints a table.
 *
 * Owns the asking; what the answers mean is statusReport.ts's. A peer that does not answer is a row, not
 * a failure; the command fails only when nobody answered.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import type { Address } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { describeKeys } from './keysReport.ts';
import { printLine, printWarning, renderTable } from './print.ts';
import { listRemarks, parseStatus, STATUS_HEADER, statusRow } from './statusReport.ts';
import type { StatusReport } from './statusReport.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target } from './target.ts';

/** Milliseconds a peer is given to describe itself: it does so from memory. */
const STATUS_TIMEOUT_MS = 2000;

/** The JSON text a peer describes itself with. Rejects with CommandFailure when it does not answer. */
export async function askStatus(address: Address): Promise<string> {
  return withConnection(address, async (connection) =>
    replyText(await connection.request(['TOPOSPHERE', 'STATUS'], STATUS_TIMEOUT_MS)),
  );
}

interface Answer {
  readonly name: string;
  readonly json: string | undefined;
  readonly report: StatusReport | undefined;
  readonly reason: string;
}

async function ask(target: Target): Promise<Answer> {
  const name = nameOf(target);
  try {
    const json = await askStatus(target);
    return { name, json, report: parseStatus(json), reason: '' };
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return { name, json: undefined, report: undefined, reason: error.message };
  }
}

function printJson(answers: readonly Answer[]): void {
  const peers = answers.map(({ name, json, reason }) => ({
    peer: name,
    ...(json === undefined ? { unreachable: reason } : { status: JSON.parse(json) as unknown }),
  }));
  printLine(JSON.stringify(peers, undefined, 2));
}

function printTable(answers: readonly Answer[]): void {
  const unreachable = ['unreachable', ...STATUS_HEADER.slice(2).map(() => '-')];
  const rows = answers.map(({ name, report }) => (report ? statusRow(name, report) : [name, ...unreachable]));
  for (const line of renderTable(STATUS_HEADER, rows)) printLine(line);
  const keys = answers.map(({ name, report }) => ({ name, keys: report && (report.clusterKeys ?? null) }));
  for (const line of describeKeys(keys)) printLine(line);
  for (const { name, report } of answers) {
    for (const remark of report ? listRemarks(name, report) : []) printWarning(remark);
  }
}

export function addStatus(yargs: Argv): Argv {
  return yargs.command(
    'status',
    'show how the peers of servers.txt (or one of them) are',
    (options) =>
      withTarget(options).option('json', {
        type: 'boolean',
        default: false,
        describe: 'everything the peers say, as JSON',
      }),
    async (argv) => {
      const answers = await Promise.all((await findTargets(argv)).map(ask));
      if (argv.json) printJson(answers);
      else printTable(answers);
      const reasons = answers.filter(({ report }) => report === undefined).map(({ reason }) => reason);
      if (reasons.length === answers.length) throw new CommandFailure(reasons.join('\n'));
      if (!argv.json) for (const reason of reasons) printWarning(reason);
    },
  );
}
