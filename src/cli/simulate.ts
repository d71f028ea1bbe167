/**
 * `toposphere simulate`: runs simulated clusters through faults, from seeds, schedules or scenarios.
 *
 * Owns the options. The runs are simulateRuns.ts's, loaded when they are asked for: no other command waits for a simulator.
 */
import type { Argv } from 'yargs';
import { FAULT_KINDS } from '../simulator/generate.ts';
import type { FaultKind } from '../simulator/generate.ts';
import {
  MAX_COUNTER_CLIENTS,
  MAX_GROUP_CLIENTS,
  MAX_PUBLISHERS,
  MAX_REPLICAS,
  MAX_REQUEST_CLIENTS,
  MAX_SESSIONS,
} from '../simulator/schedule.ts';
import { SCENARIO_HELP } from '../simulator/scenarioStatement.ts';
import { CommandFailure } from './failure.ts';

const MAXIMUM_SERVERS = 1_000;
const MAXIMUM_MINUTES = 100_000;

function readNumber(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most))
    throw new CommandFailure(`--${name} ${text}: give a number from ${least} to ${most}`);
  return value;
}

function readFaults(text: string | undefined): readonly FaultKind[] {
  if (text === undefined || text === 'all') return FAULT_KINDS;
  if (text === 'none') return [];
  return text.split(',').map((word) => {
    const kind = FAULT_KINDS.find((known) => known === word);
    if (kind === undefined)
      throw new CommandFailure(`--faults ${word}: the kinds are ${FAULT_KINDS.join(', ')}; or all, or none`);
    return kind;
  });
}

export function addSimulate(yargs: Argv): Argv {
  const text = { type: 'string', requiresArg: true } as const;
  return yargs.command(
    'simulate',
    'run a simulated cluster through faults, from a seed, and check every invariant',
    (options) =>
      options
        .option('seed', { ...text, describe: 'of all chance; drawn when left out' })
        .option('servers', { ...text, describe: 'number of peers', defaultDescription: '5' })
        .option('minutes', { ...text, describe: 'virtual minutes with faults', defaultDescription: '2' })
        .option('faults', {
          ...text,
          describe: `kinds, with commas: ${FAULT_KINDS.join(', ')}; all, or none`,
        })
        .option('sessions', {
          ...text,
          describe: 'clients that carry a session from peer to peer, checked',
          defaultDescription: '0',
        })
        .option('replicas', {
          ...text,
          describe: "clients whose writes wait for other peers' disks, checked",
          defaultDescription: '0',
        })
        .option('requests', {
          ...text,
          describe: 'clients whose requests have ids and are sent again, checked',
          defaultDescription: '0',
        })
        .option('counters', {
          ...text,
          describe: 'clients that count, checked',
          defaultDescription: '0',
        })
        .option('groups', {
          ...text,
          describe: 'clients that write several keys at once, as transactions do, checked',
          defaultDescription: '0',
        })
        .option('publishers', {
          ...text,
          describe: 'clients that publish, with a listener at each peer, checked',
          defaultDescription: '0',
        })
        .option('runs', { ...text, describe: 'so many seeds, one after the other', defaultDescription: '1' })
        .option('until-failure', { type: 'boolean', describe: 'go on until a seed fails' })
        .option('shrink', { type: 'boolean', describe: 'make a failing schedule small and save it' })
        .option('scenario', { ...text, describe: 'run the scenario in this file' })
        .option('schedule', { ...text, describe: 'run the schedule in this file' })
        .option('save', {
          ...text,
          describe: 'write the schedule (of a failure, when there are several runs) to this file',
        })
        .option('plot', { ...text, describe: 'write a timeline of the run to this HTML file' })
        .option('key', { ...text, describe: 'the key whose messages the plot shows' })
        .option('transcript', { type: 'boolean', describe: 'print what happens' })
        .option('messages', { type: 'boolean', describe: 'print what happens and what peers say' })
        .option('json', { type: 'boolean', describe: 'print one JSON object a run' })
        .conflicts('scenario', ['schedule', 'seed', 'runs', 'until-failure', 'shrink', 'save'])
        .conflicts('schedule', ['seed', 'runs', 'until-failure'])
        .epilogue(SCENARIO_HELP),
    async (argv) => {
      const { simulate } = await import('./simulateRuns.ts');
      await simulate({
        seed: readNumber('seed', argv.seed, Math.floor(Math.random() * 2 ** 31), 0, Number.MAX_SAFE_INTEGER),
        servers: readNumber('servers', argv.servers, 5, 1, MAXIMUM_SERVERS),
        minutes: readNumber('minutes', argv.minutes, 2, 0.001, MAXIMUM_MINUTES),
        faults: readFaults(argv.faults),
        sessions: readNumber('sessions', argv.sessions, 0, 0, MAX_SESSIONS),
        replicas: readNumber('replicas', argv.replicas, 0, 0, MAX_REPLICAS),
        requests: readNumber('requests', argv.requests, 0, 0, MAX_REQUEST_CLIENTS),
        counters: readNumber('counters', argv.counters, 0, 0, MAX_COUNTER_CLIENTS),
        groups: readNumber('groups', argv.groups, 0, 0, MAX_GROUP_CLIENTS),
        publishers: readNumber('publishers', argv.publishers, 0, 0, MAX_PUBLISHERS),
        runs: readNumber('runs', argv.runs, 1, 1, Number.MAX_SAFE_INTEGER),
        untilFailure: argv.untilFailure === true,
        shrink: argv.shrink === true,
        scenario: argv.scenario,
        schedule: argv.schedule,
        save: argv.save,
        plot: argv.plot,
        key: argv.key,
        transcript: argv.transcript === true,
        messages: argv.messages === true,
        json: argv.json === true,
      });
    },
  );
}
