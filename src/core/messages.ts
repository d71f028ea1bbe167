/**
 * What peers say to each other (protocol.md, section 3), as plain data.
 *
 * Owns the shapes only. How they become bytes, and which bytes are refused, is src/wire's; what they
 * mean is the on… files' beside this one. A message that reaches the core has been checked: counts,
 * lengths, ranges and types hold.
 */
import type {
  EntryKind,
  Incarnation,
  Key,
  Origin,
  PeerId,
  SequenceRange,
  Timestamp,
  VectorEntry,
} from './types.ts';

/** An update of the sender's own origin. `reference` replaces a value too long for a datagram: it is fetched by NAK. */
export interface UpdateRecord {
  readonly sequence: number;
  readonly key: Key;
  readonly timestamp: Timestamp;
  readonly kind: 'value' | 'tombstone';
  /** Absolute Timestamp, 0 for never. */
  readonly expiresAt: number;
  readonly value: Uint8Array;
  /** Bytes of the value that was left out, when it was. */
  readonly referenceBytes?: number;
}

/** Multicast: updates of the sender's own origin, in order of sequence. */
export interface UpdateMessage {
  readonly kind: 'update';
  readonly records: readonly UpdateRecord[];
}

/** How a peer is heard: not lately, by unicast alone, or by multicast. */
export type Hearing = 'unheard' | 'unicast' | 'multicast';

/** Multicast (unicast to whom multicast does not reach): I live, I hear these, this is how far I am. */
export interface KeepaliveMessage {
  readonly kind: 'keepalive';
  /** Last sequence of the sender's own origin: reveals a lost tail. */
  readonly lastSequence: number;
  /** Sender's wall clock, milliseconds since 1970. */
  readonly wallMs: number;
  readonly timestamp: Timestamp;
  /** Hash of the sender's list of members (unsigned 32 bits): what it says of `others` is said of that list. */
  readonly membershipHash: number;
  /** How the members that are not listed are heard: 'unheard', or 'multicast' where that is the rule and makes the message short. */
  readonly others: 'unheard' | 'multicast';
  readonly listed: readonly { readonly id: PeerId; readonly how: Hearing }[];
  /** Hash of the sender's have-set (safe integer). */
  readonly vectorHash: number;
  /** Hash of what the sender's servers.txt says (unsigned 32 bits). */
  readonly serversHash: number;
}

/**
 * Unicast round the ring: this is what I have; send me what I lack, ask for what you lack. Without a vector: "you had the same
 * when you last spoke"; whoever has another hash by now asks for the vector by sending its own.
 */
export interface HeartbeatMessage {
  readonly kind: 'heartbeat';
  /** Hash of the sender's have-set (safe integer). */
  readonly vectorHash: number;
  readonly vector?: readonly VectorEntry[];
}

/** The dots a SYNC record stands for besides the winner's own. */
export interface CoveredDots extends Origin {
  readonly ranges: readonly SequenceRange[];
}

/** R5: the entry of a key as it is *now*, with its true tag, for every covered dot. */
export interface SyncEntryRecord {
  readonly kind: 'entry';
  readonly key: Key;
  readonly timestamp: Timestamp;
  readonly id: PeerId;
  readonly incarnation: Incarnation;
  readonly sequence: number;
  readonly entryKind: EntryKind;
  readonly expiresAt: number;
  readonly value: Uint8Array;
  readonly covers: readonly CoveredDots[];
}

/** R5: the key is gone; everything about it was known to all at `horizon`. */
export interface SyncAbsentRecord {
  readonly kind: 'absent';
  readonly key: Key;
  readonly horizon: Timestamp;
  readonly covers: readonly CoveredDots[];
}

export type SyncRecord = SyncEntryRecord | SyncAbsentRecord;

/**
 * Records the receiver lacks. With a `vector` it is a HYBRID: "now send what I lack". `more` says the
 * sender stopped at a limit: ask again when these are applied.
 */
export interface SyncMessage {
  readonly kind: 'sync';
  readonly records: readonly SyncRecord[];
  readonly more: boolean;
  readonly vector?: readonly VectorEntry[];
}

/** Unicast: these dots are missing here; send them. */
export interface NakMessage {
  readonly kind: 'nak';
  readonly origin: Origin;
  readonly ranges: readonly SequenceRange[];
}

export type Message = UpdateMessage | KeepaliveMessage | HeartbeatMessage | SyncMessage | NakMessage;
export type MessageKind = Message['kind'];

/** By which way a message came, or is to go. A stream is peer-to-peer TCP. */
export type Channel = 'multicast' | 'unicast' | 'stream';
