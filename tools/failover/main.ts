/**
 * `npm run failover [-- --minutes n] [--clients n] [--keys n] [--kill-every seconds] [--drop percent] [--without-token] [--short]`: do sticky clients keep their promise when
 * their peers are killed under them?
 *
 * Four peers of the build on 127.0.0.1. Owns the command line, the report and the exit code: 1 when a read went back, an acknowledged write is missing, or no application was
 * bereft. `--without-token` plants what is looked for: it must be found, and `--short` looks whether it is.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Children } from '../bench/children.ts';
import { print } from '../bench/report.ts';
import { percentile } from '../bench/statistics.ts';
import { Workspace } from '../bench/workspace.ts';
import { runTool } from '../runTool.ts';
import { runCourse, type CourseOptions, type CourseReport } from './course.ts';

/** The short form: long enough for two kills. */
const SHORT_MS = 5_000;
const SHORT_KILL_MS = 2_000;
/** What the plant is run under: no update gets through, so every peer that a client comes to is behind. */
const PLANT = {
  lengthMs: 3_000,
  killEveryMs: 1_000,
  losses: ['drop 100 update', 'drop 100 sync'],
  isWithoutToken: true,
};

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    clients: { type: 'string', default: '4' },
    keys: { type: 'string', default: '4' },
    'kill-every': { type: 'string', default: '3' },
    drop: { type: 'string', default: '0' },
    'without-token': { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
  },
});

const stalls = monitorEventLoopDelay({ resolution: 5 });

function number(
  name: 'minutes' | 'clients' | 'keys' | 'kill-every' | 'drop',
  from: number,
  to: number,
): number {
  const value = Number(values[name]);
  if (value >= from && value <= to) return value;
  throw new Error(`--${name} ${values[name]}: a number from ${from} to ${to} is wanted`);
}

function readOptions(): CourseOptions {
  return {
    clients: Math.round(number('clients', 1, 64)),
    keys: Math.round(number('keys', 1, 64)),
    lengthMs: values.short ? SHORT_MS : number('minutes', 0.05, 600) * 60_000,
    killEveryMs: values.short ? SHORT_KILL_MS : number('kill-every', 0.5, 600) * 1000,
    losses: [`drop ${number('drop', 0, 99)}`],
    isWithoutToken: values['without-token'],
  };
}

function describe({ account, kills, awayMs, failoverMs }: CourseReport): string {
  const { answered, failed, errors, violations, violationCount } = account;
  const figures = (times: readonly number[]): string =>
    times.length === 0 ? '-' : [0.5, 0.99, 1].map((share) => percentile(times, share).toFixed(0)).join(' / ');
  const codes = Array.from(errors, ([code, count]) => `${code} ${count}`).sort();
  return [
    `${answered} of ${answered + failed} operations answered: available ${((100 * answered) / (answered + failed)).toFixed(3)} %`,
    `told instead: ${codes.length === 0 ? 'nothing' : codes.join(', ')}`,
    `${kills} kills; from a kill to the next answer ${figures(awayMs)} ms (p50 / p99 / longest of ${awayMs.length})`,
    `from seeing that a peer is gone to the next one ${figures(failoverMs)} ms (of ${failoverMs.length})`,
    `this process stood still for ${(stalls.max / 1e6).toFixed(0)} ms at most (p99 ${(stalls.percentile(99) / 1e6).toFixed(0)})`,
    `${violationCount} violations${violationCount === 0 ? '' : ':'}`,
    ...violations.map((violation) => `  ${violation}`),
  ].join('\n');
}

await runTool('failover', async () => {
  const options = readOptions();
  stalls.enable();
  const children = new Children(undefined);
  const workspace = await Workspace.create();
  const bench = { children, workspace };
  try {
    const report = await runCourse(bench, options);
    print(describe(report));
    if (report.account.violationCount > 0 || report.awayMs.length === 0) process.exitCode = 1;
    if (!values.short) return;
    await children.stopAll();
    const planted = await runCourse(bench, { ...options, ...PLANT });
    print(`without the token, as a plant: ${planted.account.violationCount} violations`);
    if (planted.account.violationCount === 0) throw new Error('the plant was not seen: this check is blind');
  } finally {
    await children.stopAll();
    await workspace.remove();
  }
});
