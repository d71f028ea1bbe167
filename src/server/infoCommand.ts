/**
 * INFO: the picture of a peer in the words that Redis clients and dashboards read.
 *
 * Owns the sections server, clients, memory, stats, replication, keyspace and Toposphere. Leaves what a peer says of
 * itself to Backend.describe: its plain values are printed, everything nested is in TOPOSPHERE STATUS.
 * Invariant: only what is known is printed; a field that this server has no number for is left out, never made up.
 */
import { memoryUsage, pid } from 'node:process';
import { isBlocked } from './clientList.ts';
import type { Command, CommandContext, ServerState } from './command.ts';
import { argumentsFrom, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import type { ServerCounters } from './serverCounters.ts';

/** The version of Redis whose behaviour clients may expect; they choose their commands by it. */
export const REDIS_VERSION = '7.4.0';

type Fields = readonly (readonly [name: string, value: string | number | boolean])[];

const SECTIONS: readonly (readonly [title: string, fields: (context: CommandContext) => Fields])[] = [
  ['Server', serverFields],
  ['Clients', clientFields],
  ['Memory', memoryFields],
  ['Persistence', ({ backend }) => [['loading', backend.findLoading() === undefined ? 0 : 1]]],
  ['Stats', statisticsFields],
  [
    'Replication',
    () => [
      ['role', 'master'],
      ['connected_slaves', 0],
    ],
  ],
  ['Keyspace', keyspaceFields],
  ['Toposphere', peerFields],
];

export const infoCommand: Command = {
  name: 'info',
  arity: -1,
  flags: ['loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  syntax: '[section [section ...]]',
  summary: 'Tell about this peer: INFO [section ...]',
  partition: LOCAL_TO_PEER,
  run: (context, request) => {
    const asked = new Set(argumentsFrom(request, 1).map((name) => name.toLowerCase()));
    const isAll = asked.size === 0 || ['all', 'default', 'everything'].some((name) => asked.has(name));
    const texts: string[] = [];
    for (const [title, fields] of SECTIONS) {
      if (!isAll && !asked.has(title.toLowerCase())) continue;
      const lines = fields(context).map(([name, value]) => `${name}:${oneLine(value)}\r\n`);
      texts.push(`# ${title}\r\n${lines.join('')}`);
    }
    context.reply.verbatim(texts.join('\r\n'));
    return undefined;
  },
};

function serverFields({ server }: CommandContext): Fields {
  const uptimeSeconds = Math.floor((Date.now() - server.startedAtMs) / 1000);
  return [
    ['redis_version', REDIS_VERSION],
    ['redis_mode', 'standalone'],
    ['server_name', 'toposphere'],
    ['arch_bits', 64],
    ['process_id', pid],
    ['tcp_port', server.port()],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / 86_400)],
  ];
}

function clientFields({ server }: CommandContext): Fields {
  let [watching, blocked] = [0, 0];
  for (const client of server.clients()) {
    if (client.watches.length > 0) watching += 1;
    if (isBlocked(client)) blocked += 1;
  }
  return [
    ['connected_clients', server.clientCount()],
    ['maxclients', server.limits.maxClients],
    ['watching_clients', watching],
    ['tracking_clients', server.tracking.report().clients],
    ['scan_cursors', server.cursors.size()],
    // redis-cli --stat prints what it finds no number for as the smallest there is.
    ['blocked_clients', blocked],
  ];
}

function memoryFields(): Fields {
  const usage = memoryUsage();
  return [
    ['used_memory', usage.heapUsed + usage.external],
    ['used_memory_rss', usage.rss],
    ['used_memory_heap', usage.heapUsed],
    ['used_memory_external', usage.external],
    ['maxmemory', 0],
    ['maxmemory_policy', 'noeviction'],
  ];
}

function statisticsFields({ server }: CommandContext): Fields {
  const counters = sinceReset(server);
  const tracked = server.tracking.report();
  return [
    ['total_connections_received', counters.connectionsAccepted],
    ['total_commands_processed', counters.commandsProcessed],
    ['total_net_input_bytes', counters.bytesReceived],
    ['total_net_output_bytes', counters.bytesSent],
    ['rejected_connections', counters.connectionsRejected],
    ['keyspace_hits', counters.keyspaceHits],
    ['keyspace_misses', counters.keyspaceMisses],
    ['tracking_total_keys', tracked.keys],
    ['tracking_total_items', tracked.pairs],
    ['tracking_total_prefixes', tracked.prefixes],
    ['tracking_total_bytes', tracked.bytes],
    ['tracking_invalidations_sent', counters.invalidationsSent],
    ['tracking_keys_evicted', counters.trackedKeysEvicted],
    ['transactions_executed', counters.transactionsExecuted],
    ['transactions_overtaken', counters.transactionsOvertaken],
    ['transactions_aborted', counters.transactionsAborted],
    ['transactions_too_large', counters.transactionsTooLarge],
    ['total_error_replies', counters.commandsRefused],
    ['acl_access_denied_auth', counters.authenticationsFailed],
    ['acl_access_denied_cmd', counters.commandsDenied],
    ['acl_access_denied_key', counters.keysDenied],
    ['client_user_changed', counters.userChangedClosed],
    ['client_protected_mode_refused', counters.protectedModeRefused],
    ['client_tls_handshakes_failed', counters.tlsHandshakesFailed],
    ['client_authentication_timeouts', counters.authenticationTimedOut],
    ['client_unauthenticated_displaced', counters.unauthenticatedDisplaced],
    ['client_protocol_errors', counters.protocolErrors],
    ['client_http_dropped', counters.httpDropped],
    ['client_query_buffer_limit_disconnections', counters.inputLimitClosed],
    [
      'client_output_buffer_limit_disconnections',
      counters.outputLimitClosed + counters.subscriberLimitClosed, // Redis counts both in one
    ],
    ['client_subscriber_limit_disconnections', counters.subscriberLimitClosed],
    ['client_acknowledgement_failures', counters.acknowledgementFailed],
    ['client_socket_errors', counters.socketErrors],
    ['client_killed', counters.clientsKilled],
    ['client_idle_timeouts', counters.idleClosed],
    ['client_stalled_disconnections', counters.stalledClosed],
    ['client_output_total_limit_disconnections', counters.outputTotalClosed],
    ['client_reading_paused', counters.readingPaused],
  ];
}

/** What was counted since CONFIG RESETSTAT, or since the start. */
function sinceReset({ counters, countersAtReset }: ServerState): Readonly<ServerCounters> {
  const since = { ...counters };
  for (const name of Object.keys(since) as (keyof ServerCounters)[]) since[name] -= countersAtReset[name];
  return since;
}

function keyspaceFields({ backend }: CommandContext): Fields {
  const keys = backend.keyCount();
  return keys === 0 ? [] : [['db0', `keys=${keys},expires=0,avg_ttl=0`]];
}

function peerFields({ backend }: CommandContext): Fields {
  const fields: [string, string | number | boolean][] = [];
  for (const [name, value] of Object.entries(backend.describe())) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      fields.push([name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]);
    }
  }
  return fields;
}

/** A value with a line end would make up a field of its own. */
function oneLine(value: string | number | boolean): string {
  return String(value).replaceAll(/[\r\n]/g, ' ');
}
