/**
 * `toposphere bench`: puts a load on peers and says how fast they answered.
 *
 * Owns the options. What they mean is bench/plan.ts's, the run bench/run.ts's, loaded when it is asked for: no other command waits for it.
 */
import { randomBytes } from 'node:crypto';
import type { Argv } from 'yargs';
import { DEFAULT_SECONDS, readPlan } from './bench/plan.ts';
import { CommandFailure } from './failure.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target, TargetArguments } from './target.ts';

const EPILOGUE = `Without --peer or --id the clients are spread over all peers of servers.txt. Keys are written under a prefix of the run's own, and deleted at its end.
With --rate operations are sent at set times and latency counts from then, however late the answers are; without it each client sends its next operation when it is answered,
and a peer that stands still is measured less often than it would be asked.`;

/** As findTargets, with several peers after --peer. */
async function findAll(argv: TargetArguments): Promise<readonly Target[]> {
  const { peer } = argv;
  if (peer === undefined) return findTargets(argv);
  const lists = await Promise.all(peer.split(',').map((one) => findTargets({ ...argv, peer: one })));
  const targets = lists.flat();
  const names = targets.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new CommandFailure(`--peer names ${twice} twice`);
  return targets;
}

export function addBench(yargs: Argv): Argv {
  const text = { type: 'string', requiresArg: true } as const;
  return yargs.command(
    'bench',
    'put a load on peers and say how fast they answer',
    (options) =>
      withTarget(options)
        .option('peer', {
          ...text,
          conflicts: 'id',
          describe: 'host:port where peers serve Redis clients, several with commas',
        })
        .option('mix', {
          ...text,
          default: 'get=90,set=10',
          describe: 'weights of get, set and del; or a, b, c: the mixes of YCSB (50, 95, 100% reads)',
        })
        .option('size', { ...text, default: '100', describe: 'bytes of a value, or a range: 10-1000' })
        .option('keys', { ...text, default: '10000', describe: 'number of keys' })
        .option('zipf', { ...text, describe: 'exponent of a Zipf distribution over the keys, such as 0.99' })
        .option('clients', { ...text, default: '50', describe: 'connections' })
        .option('pipeline', {
          ...text,
          default: '1',
          describe: 'operations a client has under way, at most',
        })
        .option('threads', {
          ...text,
          default: '1',
          describe: 'threads of the generator, for when it is what limits the run',
        })
        .option('rate', {
          ...text,
          describe: 'operations a second, sent at set times; latency counts from then',
        })
        .option('seconds', {
          ...text,
          describe: 'how long it lasts',
          defaultDescription: String(DEFAULT_SECONDS),
        })
        .option('operations', {
          ...text,
          conflicts: 'seconds',
          describe: 'how many it sends, in place of --seconds',
        })
        .option('write', {
          ...text,
          describe:
            'level of writes: fast, committed, durable, linearizable, replicated:2 (a number, majority, all)',
          defaultDescription: "the peer's",
        })
        .option('read', {
          ...text,
          describe: 'level of reads: local, session, majority, linearizable, stale:500 (milliseconds)',
          defaultDescription: 'local',
        })
        .option('within', { ...text, describe: 'milliseconds until an answer at that level is given up' })
        .option('seed', { ...text, default: '1', describe: 'of all chance' })
        .option('keep', { type: 'boolean', default: false, describe: 'leave the keys there' })
        .option('json', { ...text, describe: 'write the result to this file' })
        .option('html', { ...text, describe: 'write the result as a page with charts to this file' })
        .epilogue(EPILOGUE),
    async (argv) => {
      const plan = readPlan(argv, `toposphere-bench:${randomBytes(6).toString('hex')}:`);
      const targets = await findAll(argv);
      const { runBench } = await import('./bench/run.ts');
      await runBench(plan, targets, { json: argv.json, html: argv.html });
    },
  );
}
