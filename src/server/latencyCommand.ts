/**
 * LATENCY: what took long on this server, and when.
 *
 * Owns LATEST, HISTORY, RESET and DOCTOR in Redis's shapes. What is noted is latencyEvents.ts's. GRAPH and HISTOGRAM are unknown subcommands: `redis-cli --latency` measures by itself, and times of all commands are kept nowhere.
 */
import type { Command, ServerState } from './command.ts';
import { argumentsFrom, argumentText, LOCAL_TO_PEER, NO_KEYS } from './command.ts';

const ORDINARY = {
  flags: ['admin', 'noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  partition: LOCAL_TO_PEER,
} as const;

const ADVICE: ReadonlyMap<string, string> = new Map([
  ['command', 'SLOWLOG GET tells which commands these were'],
  ['client-stalled', 'clients that took nothing of their replies, and were closed: see where they run'],
]);

export const latencyCommand: Command = {
  ...ORDINARY,
  name: 'latency',
  arity: -2,
  flags: [],
  syntax: '',
  summary: 'Tell what took long here: commands (as long as SLOWLOG keeps), clients that stood still',
  subcommands: [
    {
      ...ORDINARY,
      name: 'latency|latest',
      arity: 2,
      syntax: '',
      summary: 'Tell of each kind of event when it was last, how long it took, and the longest, milliseconds',
      run: ({ reply, server }) => {
        const { series } = server.latency;
        reply.array(series.size);
        for (const [event, { samples, longestMs }] of series) {
          reply.array(4);
          reply.bulkText(event);
          reply.integer(samples.at(-1)?.atSeconds ?? 0);
          reply.integer(samples.at(-1)?.ms ?? 0);
          reply.integer(longestMs);
        }
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'latency|history',
      arity: 3,
      syntax: 'event',
      summary: 'List the last times of one kind of event, the oldest first: command, client-stalled',
      run: ({ reply, server }, request) => {
        const samples = server.latency.series.get(argumentText(request, 2))?.samples ?? [];
        reply.array(samples.length);
        for (const { atSeconds, ms } of samples) {
          reply.array(2);
          reply.integer(atSeconds);
          reply.integer(ms);
        }
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'latency|reset',
      arity: -2,
      syntax: '[event [event ...]]',
      summary: 'Forget what took long, of the kinds named or of all; answers how many kinds that were',
      run: ({ reply, server }, request) => {
        reply.integer(server.latency.forget(argumentsFrom(request, 2)));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'latency|doctor',
      arity: 2,
      syntax: '',
      summary: 'Tell in words what took long, and where to look; of a whole cluster: toposphere doctor',
      run: ({ reply, server }) => {
        reply.verbatim(diagnose(server));
        return undefined;
      },
    },
  ],
};

function diagnose({ latency, limits }: ServerState): string {
  if (latency.series.size === 0)
    return `Nothing took long: no command ${limits.slowCommandMicroseconds} microseconds (slowlog-log-slower-than), and no client stood still for ${limits.clientStalledMs} ms (client-stalled-ms). For the cluster: toposphere doctor\n`;
  const lines = [...latency.series].map(([event, { samples, longestMs }]) => {
    const times = samples.length === 1 ? 'in one second' : `in ${samples.length} seconds`;
    const advice = ADVICE.get(event);
    return `${event}: ${times}, last ${samples.at(-1)?.ms ?? 0} ms, at most ${longestMs} ms${advice === undefined ? '' : `; ${advice}`}\n`;
  });
  return lines.join('');
}
