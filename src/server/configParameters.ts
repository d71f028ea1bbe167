/**
 * What CONFIG knows: each parameter of the server by the name that Redis has for it, or by the tunable's where Redis has none.
 *
 * Owns names, ranges and the words that refuse a value. Leaves the commands to configCommand.ts, what is in force to ServerState. Only what exists has a row; a setting of
 * Redis that would do nothing here is unknown. Invariant: a value is taken over only by what `parse` answered for it, so that of several none is when one is wrong.
 */
import { EVENT_LETTERS, formatEventClasses, parseEventClasses } from '../peer/backend.ts';
import type { ServerState } from './command.ts';
import type { ServerLimits } from './serverLimits.ts';

export interface ConfigParameter {
  readonly name: string;
  readonly read: (server: ServerState) => string;
  /** What takes `value` over, or in Redis's words why it is none. Left out: it cannot change while the server runs. */
  readonly parse?: (server: ServerState, value: string) => (() => void) | string;
}

const MAXIMUM = Number.MAX_SAFE_INTEGER;

/** A whole number, as clients write it `scale` times smaller than it is kept. */
function wholeNumber(
  name: string,
  limit: keyof ServerLimits,
  [minimum, maximum]: readonly [number, number],
  scale = 1,
): ConfigParameter {
  return {
    name,
    // A setting may be finer than Redis's unit: what is not zero must not read as "never".
    read: ({ limits }) => String(Math.ceil(limits[limit] / scale)),
    parse: ({ limits }, value) => {
      if (!/^-?[0-9]{1,19}$/.test(value)) return "argument couldn't be parsed into an integer";
      const number = Number(value);
      if (number < minimum || number > maximum)
        return `argument must be between ${minimum} and ${maximum} inclusive`;
      return () => {
        limits[limit] = number * scale;
      };
    },
  };
}

function fixed(name: string, read: ConfigParameter['read']): ConfigParameter {
  return { name, read };
}

const NOTIFY_KEYSPACE_EVENTS: ConfigParameter = {
  name: 'notify-keyspace-events',
  read: ({ limits }) => formatEventClasses(limits.keyspaceEventClasses),
  parse: ({ limits, keyspaceEvents }, value) => {
    const classes = parseEventClasses(value);
    if (classes === undefined) return `Invalid event class character. Use '${EVENT_LETTERS}'.`;
    return () => {
      limits.keyspaceEventClasses = classes;
      keyspaceEvents.renew();
    };
  },
};

export const CONFIG_PARAMETERS: readonly ConfigParameter[] = [
  wholeNumber('maxclients', 'maxClients', [1, 4_294_967_295]),
  wholeNumber('timeout', 'clientIdleMs', [0, 2_147_483_647], 1000),
  wholeNumber('client-stalled-ms', 'clientStalledMs', [0, 2_147_483_647]),
  wholeNumber('slowlog-log-slower-than', 'slowCommandMicroseconds', [-1, MAXIMUM]),
  wholeNumber('slowlog-max-len', 'slowCommandsKept', [0, 1_000_000]),
  NOTIFY_KEYSPACE_EVENTS,
  fixed('bind', ({ facts }) => facts.host),
  fixed('port', ({ port }) => String(port())),
  fixed('tls-port', ({ tlsPort }) => String(tlsPort() ?? 0)),
  fixed('protected-mode', ({ facts }) => (facts.isOpen ? 'no' : 'yes')),
  fixed('databases', () => '1'),
  // Whatever is written is logged before it is sent on; nothing is ever saved as a snapshot for its own sake.
  fixed('appendonly', () => 'yes'),
  fixed('save', () => ''),
  fixed('maxmemory', () => '0'),
  fixed('maxmemory-policy', () => 'noeviction'),
  fixed('proto-max-bulk-len', ({ facts }) => String(facts.bulkLimitBytes)),
  fixed('client-query-buffer-limit', ({ facts }) => String(facts.requestLimitBytes)),
  fixed(
    'client-output-buffer-limit',
    ({ facts }) =>
      `normal ${facts.outputLimitBytes} 0 0 slave 0 0 0 pubsub ${facts.watchOutputLimitBytes} 0 0`,
  ),
  fixed('tracking-table-max-keys', ({ facts }) => String(facts.maxTrackedKeys)),
  fixed('acknowledge', ({ acknowledge }) => acknowledge),
];
