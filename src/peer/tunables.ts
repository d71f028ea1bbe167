/**
 * Every tunable of a peer, and what the commands that ask one share with it, declared once: meaning, unit, default, range, and what raising a value does.
 *
 * Owns the table, and the names that flags and the environment derive from it. Whether given values are within range, and fit each
 * other, is configuration.ts's to say. Invariant: whatever can be set is in this table, and nowhere else.
 */
import type { AcknowledgementLevel } from './backend.ts';
import { LAST_PORT } from '../network/tcp.ts';
import { PORT_MAXIMUM, PORT_MINIMUM } from './serversFile.ts';

interface Described {
  readonly meaning: string;
  /** Of the commands that ask a peer, and no peer's own: the file and the environment, which both read, may set it. */
  readonly isOfCommands?: true;
}
/** A whole number within `minimum`..`maximum`, both inclusive, in `unit`. */
export interface NumberTunable extends Described {
  readonly kind: 'number';
  readonly unit:
    | 'ms'
    | 'bytes'
    | 'port'
    | 'updates'
    | 'rows'
    | 'files'
    | 'keys'
    | 'requests'
    | 'clients'
    | 'µs'
    | 'cells'
    | 'commands';
  /** Undefined: follows from another setting, as `meaning` says. */
  readonly default: number | undefined;
  readonly minimum: number;
  readonly maximum: number;
  /** What a larger value does; for a port, what it has to do with the others. */
  readonly raising: string;
}
export interface TextTunable extends Described {
  readonly kind: 'text';
  readonly default: string | undefined;
  readonly choices?: readonly string[];
  /** Of a file or folder; in the configuration file it is relative to that file's folder. */
  readonly isPath?: true;
}
/** Off unless given. */
interface FlagTunable extends Described {
  readonly kind: 'flag';
}
export type Tunable = NumberTunable | TextTunable | FlagTunable;

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const HOUR_MS = 3_600_000;
/** A timer of Node.js holds less than 2^31 ms: 24 days. */
const LONGEST_TIMER_MS = 14 * 24 * HOUR_MS;
const LOG_FORMATS = ['text', 'json'] as const;
export const ACKNOWLEDGEMENT_LEVELS: readonly AcknowledgementLevel[] = ['fast', 'committed', 'durable'];

// prettier-ignore
export const TUNABLES = {
  id: { kind: 'text', default: undefined, meaning: 'which line of servers.txt this peer is; by default the one with an address of this machine' },
  servers: { kind: 'text', isPath: true, default: 'config/servers.txt', meaning: 'path of servers.txt' },
  dataDirectory: { kind: 'text', isPath: true, default: 'checkpoints', meaning: 'folder that holds one folder a peer, named by its id' },
  clusterId: { kind: 'text', default: 'toposphere', meaning: 'clusters of different ids never merge; the same on every peer' },
  clusterKeyFile: { kind: 'text', isPath: true, default: undefined, meaning: 'path of the cluster key file (`toposphere key generate` makes one), readable by its owner alone; the same on every peer; needed beyond loopback' },
  discover: { kind: 'flag', meaning: 'announce this peer by multicast DNS and find others of its cluster; without --servers it needs no servers.txt' },
  admitDiscovered: { kind: 'flag', meaning: 'admit by itself whoever is found, proves the cluster key and has no data yet; without it `toposphere admit` does' },
  host: { kind: 'text', default: undefined, meaning: 'with --discover and no --servers: IPv4 address of this peer; by default --multicast-interface, else the only one of this machine (127.0.0.1 without a cluster key)' },
  port: { kind: 'number', unit: 'port', default: 7401, minimum: PORT_MINIMUM, maximum: PORT_MAXIMUM, meaning: "with --discover and no --servers: this peer's port", raising: 'must differ from the multicast port' },
  discoveryPort: { kind: 'number', unit: 'port', default: 5353, minimum: 1024, maximum: LAST_PORT, meaning: 'UDP port of multicast DNS', raising: 'another than 5353 is heard only by who has the same' },
  multicastGroup: { kind: 'text', default: undefined, meaning: "multicast group of the cluster, IPv4 or IPv6 as the peers' addresses are; the same on every peer; by default 239.195.74.1 or ff12::efc3:4a01" },
  multicastPort: { kind: 'number', unit: 'port', default: 7400, minimum: 1024, maximum: LAST_PORT, meaning: 'UDP port of the group; the same on every peer', raising: "must differ from every peer's own port" },
  multicastInterface: { kind: 'text', default: undefined, meaning: "address of the interface that joins the group, IPv4 or IPv6 as the peers' addresses are; by default the peer's own address" },
  keepaliveMs: { kind: 'number', unit: 'ms', default: 250, minimum: 10, maximum: 60_000, meaning: 'time between two KEEPALIVE messages', raising: 'less idle traffic; a lost last update is noticed later' },
  heartbeatMs: { kind: 'number', unit: 'ms', default: 500, minimum: 10, maximum: 60_000, meaning: 'time between two HEARTBEAT messages', raising: 'less idle traffic; peers that NAKs cannot help converge later' },
  deadAfterMs: { kind: 'number', unit: 'ms', default: 2000, minimum: 30, maximum: HOUR_MS, meaning: 'silence after which a member is presumed dead', raising: 'fewer false verdicts; the ring closes later behind a dead peer' },
  maxDriftMs: { kind: 'number', unit: 'ms', default: 500, minimum: 10, maximum: HOUR_MS, meaning: 'how far ahead of the other clocks a timestamp may be; the same on every peer', raising: 'tolerates worse clocks; a fast clock wins over later writes for longer' },
  maxValueBytes: { kind: 'number', unit: 'bytes', default: 16 * MEBIBYTE, minimum: 1, maximum: 16 * MEBIBYTE, meaning: 'longest value; the same on every peer', raising: 'more memory for each transfer under way' },
  gcUpdateCount: { kind: 'number', unit: 'updates', default: 20_000, minimum: 1, maximum: 1_000_000_000, meaning: 'own updates after which a checkpoint round begins', raising: 'rounds come less often; update tables grow longer' },
  gcIntervalMs: { kind: 'number', unit: 'ms', default: 30_000, minimum: 100, maximum: 24 * HOUR_MS, meaning: 'time after which a checkpoint round begins when there is anything to collect', raising: 'tombstones are kept longer' },
  maxTableRows: { kind: 'number', unit: 'rows', default: 1_000_000, minimum: 100, maximum: 1_000_000_000, meaning: 'length of one update table at which its older half is let go while a round waits for a member', raising: 'more disk; a peer that was away for long is caught up record by record, not by checkpoint' },
  requestsKeptMs: { kind: 'number', unit: 'ms', default: 600_000, minimum: 1000, maximum: 24 * HOUR_MS, meaning: 'how long the reply to a request with an id (TOPOSPHERE DO ID) is remembered; the same on every peer; clients send nothing again after that', raising: 'clients may ask again for longer; more memory and disk for each request' },
  maxRequests: { kind: 'number', unit: 'requests', default: 1_000_000, minimum: 100, maximum: 100_000_000, meaning: 'requests with an id that are remembered here, whoever executed them; beyond, new ones are refused (NOROOM)', raising: 'more of them a second for the same time; more memory and disk' },
  maxCounterCells: { kind: 'number', unit: 'cells', default: 1_000_000, minimum: 100, maximum: 100_000_000, meaning: 'cells of counters that are held here, one for each counter and peer that counts it; beyond, increments that need another one are refused (NOROOM)', raising: 'more counters; more memory and disk' },
  maxCheckpointBytes: { kind: 'number', unit: 'bytes', default: 512 * MEBIBYTE, minimum: 64 * MEBIBYTE, maximum: 16 * 1024 * MEBIBYTE, meaning: 'largest checkpoint that this peer takes in while it takes part: kept in memory until all of it is there', raising: 'more that it missed can be taken in, with as much memory for a while' },
  transferBytesPerSecond: { kind: 'number', unit: 'bytes', default: 0, minimum: 0, maximum: 1024 * 1024 * MEBIBYTE, meaning: 'what this peer sends in a second, at most, to all that join; less than 4 MiB counts as 4 MiB; 0: as much as the link takes', raising: 'they are ready sooner; less of a slow link is left to everything else' },
  maxPublishBytes: { kind: 'number', unit: 'bytes', default: MEBIBYTE, minimum: 1, maximum: 16 * MEBIBYTE, meaning: 'longest message that is published, with its channel; one that does not fit into a datagram goes over TCP; the same on every peer', raising: 'more memory for each message under way' },
  publishKeptMs: { kind: 'number', unit: 'ms', default: 2000, minimum: 10, maximum: 60_000, meaning: 'how long a published message is kept for peers that lost it, and what came behind a lost one waits for it; the same on every peer', raising: 'messages outlast longer cuts; what comes behind one that is lost for good waits longer' },
  publishKeptBytes: { kind: 'number', unit: 'bytes', default: 16 * MEBIBYTE, minimum: 16 * MEBIBYTE, maximum: 1024 * MEBIBYTE, meaning: 'published messages that are kept for peers that lost them, and those of each other peer that wait for a lost one; beyond, the oldest are let go', raising: 'more is repaired at high rates, with as much memory' },
  minFreeBytes: { kind: 'number', unit: 'bytes', default: 256 * MEBIBYTE, minimum: 0, maximum: 1024 * 1024 * MEBIBYTE, meaning: 'free space on the disk of the store below which nothing more is written, until there is more again; 0: not watched', raising: 'less of the disk is used; more room for what is under way' },
  checkpointDirectory: { kind: 'text', isPath: true, default: undefined, meaning: 'folder for checkpoint files, best on another disk; by default the one of --data-directory' },
  checkpointIntervalMs: { kind: 'number', unit: 'ms', default: HOUR_MS, minimum: 0, maximum: LONGEST_TIMER_MS, meaning: 'least time between two checkpoint files that are written unasked, when anything changed; one is also written at a clean stop; 0: none unasked', raising: 'less disk traffic; a restored file is older' },
  checkpointsKept: { kind: 'number', unit: 'files', default: 2, minimum: 1, maximum: 1000, meaning: 'checkpoint files of this peer that are kept, the newest first', raising: 'more disk; one can go back further' },
  bootstrap: { kind: 'flag', meaning: 'on an empty disk, begin at once: for one peer, on the very first start of a cluster without the others' },
  receiveBufferBytes: { kind: 'number', unit: 'bytes', default: 8 * MEBIBYTE, minimum: 64 * KIBIBYTE, maximum: 256 * MEBIBYTE, meaning: 'UDP receive buffer asked of the kernel for each socket', raising: 'bursts lose fewer datagrams, if the kernel grants it (status says what was granted)' },
  allowFaults: { kind: 'flag', meaning: 'obey `toposphere faults` (rehearsed cuts and losses)' },
  clockOffsetMs: { kind: 'number', unit: 'ms', default: 0, minimum: -24 * HOUR_MS, maximum: 24 * HOUR_MS, meaning: 'rehearsed clock error; needs --allow-faults', raising: 'runs the clock further ahead; negative runs it behind' },
  logFormat: { kind: 'text', default: 'text', choices: LOG_FORMATS, meaning: 'form of what `serve` prints about events: text, sentences for people (warnings on stderr); json, one object a line on stdout' },
  clientHost: { kind: 'text', default: undefined, meaning: "address that serves Redis clients; by default the peer's own" },
  clientPort: { kind: 'number', unit: 'port', default: undefined, minimum: 1, maximum: LAST_PORT, meaning: "TCP port that serves Redis clients; by default the peer's port less 1000", raising: "must differ from the peer's own port" },
  clientPasswordFile: { kind: 'text', isPath: true, default: undefined, meaning: 'path of a file with the password of Redis clients on one line, readable by its owner alone; needed beyond loopback' },
  clientUsersFile: { kind: 'text', isPath: true, default: undefined, meaning: 'path of a file with users of Redis clients (`toposphere user add` makes one), readable by its owner alone; beside the client password, or in its place' },
  clientTlsPort: { kind: 'number', unit: 'port', default: undefined, minimum: 1, maximum: LAST_PORT, meaning: 'TCP port that serves Redis clients over TLS, beside the other one; left out: none; needs a certificate and its key', raising: 'must differ from the other ports of this peer' },
  clientTlsHost: { kind: 'text', default: undefined, meaning: 'address of that port; by default the one of the other one (with --client-host 127.0.0.1 only TLS is served beyond this machine)' },
  clientTlsCertificateFile: { kind: 'text', isPath: true, default: undefined, meaning: 'path of the certificate that Redis clients are shown over TLS, with those that lead to its authority (PEM)' },
  clientTlsKeyFile: { kind: 'text', isPath: true, default: undefined, meaning: 'path of its key (PEM), readable by its owner alone' },
  clientTlsCaFile: { kind: 'text', isPath: true, default: undefined, meaning: 'path of the authority that has to have signed the certificates of Redis clients (PEM); left out: they show none' },
  unauthenticatedClientMs: { kind: 'number', unit: 'ms', default: 30_000, minimum: 100, maximum: HOUR_MS, meaning: 'where Redis clients give a password: time after which one that has not is closed', raising: 'more time for whoever types it; strangers hold their connections for longer' },
  maxTrackedKeys: { kind: 'number', unit: 'keys', default: 1_000_000, minimum: 1, maximum: 1_000_000_000, meaning: 'keys that are remembered for Redis clients which track what they read (CLIENT TRACKING), counted for each of them, and longer ones again for each 256 bytes; beyond, the first read ones are told as if they had changed', raising: 'clients keep more; about 120 MB of memory a million' },
  maxClients: { kind: 'number', unit: 'clients', default: 10_000, minimum: 1, maximum: 1_000_000, meaning: "Redis clients connected at a time (CONFIG SET maxclients); one more is told so and closed", raising: 'needs as many file descriptors (ulimit -n)' },
  clientIdleMs: { kind: 'number', unit: 'ms', default: 0, minimum: 0, maximum: LONGEST_TIMER_MS, meaning: 'silence after which a Redis client is closed, unless it waits for messages (CONFIG SET timeout, in seconds); 0: never', raising: 'clients that went away without a word hold their place for longer' },
  clientStalledMs: { kind: 'number', unit: 'ms', default: 60_000, minimum: 0, maximum: LONGEST_TIMER_MS, meaning: 'how long a Redis client may take nothing of the replies that wait for it until it is closed (CONFIG SET client-stalled-ms); 0: for ever', raising: 'more patience with clients that stand still; their replies hold memory for longer' },
  slowCommandMicroseconds: { kind: 'number', unit: 'µs', default: 10_000, minimum: -1, maximum: 1_000_000_000, meaning: 'work of one command from which SLOWLOG remembers it (CONFIG SET slowlog-log-slower-than); 0: each, -1: none', raising: 'fewer are remembered; from 1000 on those marked fast are not timed' },
  slowCommandsKept: { kind: 'number', unit: 'commands', default: 128, minimum: 0, maximum: 1_000_000, meaning: 'slow commands that SLOWLOG remembers (CONFIG SET slowlog-max-len)', raising: 'more memory, at most 4 KiB each' },
  notifyKeyspaceEvents: { kind: 'text', default: undefined, meaning: "events on keys that Redis clients can SUBSCRIBE to, in the letters of Redis's notify-keyspace-events (CONFIG SET notify-keyspace-events): K and E for the channels __keyspace@0__:key and __keyevent@0__:event, A for all events or some of g (generic), $ (strings), x (expired), beside it m (misses) and n (new keys); left out: none" },
  maxTransactionBytes: { kind: 'number', unit: 'bytes', default: 8 * MEBIBYTE, minimum: 4 * KIBIBYTE, maximum: 16 * MEBIBYTE, meaning: 'what the commands of one transaction (MULTI) may take, what it writes, which travels in one message, and what one connection may WATCH; beyond, it is refused with the reason', raising: 'larger transactions; others wait while one runs, and each client may make this peer hold so much' },
  openClients: { kind: 'flag', meaning: 'serve Redis clients without a password beyond loopback too' },
  httpHost: { kind: 'text', default: undefined, meaning: 'address that serves /healthz, /ready and /metrics over HTTP, to whoever asks; by default the one of Redis clients, and beyond loopback on the same terms' },
  httpPort: { kind: 'number', unit: 'port', default: undefined, minimum: 0, maximum: LAST_PORT, meaning: "TCP port of these; by default the peer's port plus 1000; 0: none", raising: 'must differ from the ports of the peer and of Redis clients' },
  acknowledge: { kind: 'text', default: 'committed', choices: ACKNOWLEDGEMENT_LEVELS, meaning: "what a client's OK survives: nothing, the death of the process, a power cut" },
  clientUser: { kind: 'text', isOfCommands: true, default: undefined, meaning: 'user of the users file whose password --client-password-file holds' },
  tls: { kind: 'flag', isOfCommands: true, meaning: 'reach peers over TLS: those of servers.txt at --client-tls-port' },
  tlsCaFile: { kind: 'text', isPath: true, isOfCommands: true, default: undefined, meaning: "path of the authority that has to have signed the peers' certificates (PEM); by default those that Node.js knows" },
  tlsCertificateFile: { kind: 'text', isPath: true, isOfCommands: true, default: undefined, meaning: 'path of a certificate to show to peers that ask for one (--client-tls-ca-file), with those that lead to its authority (PEM)' },
  tlsKeyFile: { kind: 'text', isPath: true, isOfCommands: true, default: undefined, meaning: 'path of the key of --tls-certificate-file (PEM), readable by its owner alone' },
} as const satisfies Record<string, Tunable>;

export type TunableName = keyof typeof TUNABLES;
export const TUNABLE_NAMES = Object.keys(TUNABLES) as readonly TunableName[];
type CommandTunableName = {
  [Name in TunableName]: (typeof TUNABLES)[Name] extends { readonly isOfCommands: true } ? Name : never;
}[TunableName];
/** What a peer goes by. */
export const PEER_TUNABLE_NAMES = TUNABLE_NAMES.filter((name) => !('isOfCommands' in TUNABLES[name]));
export type NameOfKind<Kind extends Tunable['kind']> = {
  [Name in TunableName]: (typeof TUNABLES)[Name]['kind'] extends Kind ? Name : never;
}[TunableName];

/** What was set; the rest takes its default. A number may come as text, as a command line has it: it is checked here. */
export type Settings = {
  readonly [Name in TunableName]?:
    | (Name extends NameOfKind<'number'>
        ? number | string
        : Name extends NameOfKind<'flag'>
          ? boolean
          : string)
    | undefined;
};

/** What an embedded peer takes. */
export type PeerSettings = Omit<Settings, CommandTunableName>;

export function isTunableName(name: string): name is TunableName {
  return Object.hasOwn(TUNABLES, name);
}

/** `keepaliveMs` is `--keepalive-ms` on the command line. */
export function optionName(name: TunableName): string {
  return name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}

/** `keepaliveMs` is `TOPOSPHERE_KEEPALIVE_MS` in the environment. */
export function environmentName(name: TunableName): string {
  return `TOPOSPHERE_${optionName(name).replaceAll('-', '_').toUpperCase()}`;
}
