/**
 * What peers say to each other (protocol.md, section 3), as plain data.
 *
 * Owns the shapes only. How they become bytes, and which bytes are refused, is src/wire's; what they
 * mean is the on… files' beside this one. A message that reaches the core has been checked: counts,
 * lengths, ranges and types hold.
 */
import type { MissMessage, PublishMessage } from './publishMessages.ts';
import type {
  EntryKind,
  Incarnation,
  Key,
  Origin,
  PeerId,
  SequenceRange,
  Tag,
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
/** What a KEEPALIVE says of one member. */
export interface Listed {
  readonly id: PeerId;
  readonly how: Hearing;
  /** How far its wall clock is ahead of the sender's for certain, milliseconds; 0 for not so much as to be told. */
  readonly aheadMs: number;
}

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
  readonly listed: readonly Listed[];
  /** Hash of the sender's have-set (safe integer). */
  readonly vectorHash: number;
  /** Hash of what the sender's servers.txt says (unsigned 32 bits). */
  readonly serversHash: number;
  /** Whether it takes part, or is still to join (R10). */
  readonly phase: Phase;
  /** The bound it promised in the last round it took part in (R6): an older one shows a disk that was rolled back. */
  readonly promised: Timestamp;
  readonly lineage: Lineage;
}

/** Which history a peer's data belongs to, and which one it was told to go on without; 0 for none (unsigned 32 bits, drawn at random). */
export interface Lineage {
  readonly present: number;
  readonly former: number;
  /** Something was concluded in it that holds in no other: a round has ended, or an operator has said that it goes on without the rest. */
  readonly isSettled: boolean;
}

/** fresh: without state. joining: waits for a checkpoint (R10). forgotten: no member any more. member: takes part. The place of each is its number on the wire. */
export const PHASES = ['fresh', 'joining', 'forgotten', 'member'] as const;
export type Phase = (typeof PHASES)[number];

/** What finished rounds said of the dead incarnations of one id (R6). */
export interface ClosureReport {
  readonly id: PeerId;
  /** Incarnations below are closed: a dot of theirs that is not kept is void. */
  readonly closedBelow: Incarnation;
  /** Incarnations below are folded: every kept dot of theirs is had by all members. */
  readonly foldedBelow: Incarnation;
  /** Hash of all that was kept of those (safe integer): who has had something else must join. */
  readonly foldedHash: number;
  /** Kept dots of each closed incarnation that is not folded; of one not listed none is kept. */
  readonly kept: readonly { readonly incarnation: Incarnation; readonly ranges: readonly SequenceRange[] }[];
}

/** The bound that a member promised in the last round that the teller knows of. */
export interface PromiseReport {
  readonly id: PeerId;
  readonly promised: Timestamp;
}

/** What a peer has, and the facts of finished rounds without which that cannot be read. */
export interface HaveReport {
  /** Void dots count as present; folded incarnations are left out. */
  readonly vector: readonly VectorEntry[];
  readonly closures: readonly ClosureReport[];
  readonly promises: readonly PromiseReport[];
}

/** Ids ever admitted and ids forgotten: both only grow (section 8). */
export interface MembersReport {
  readonly admitted: readonly PeerId[];
  readonly forgotten: readonly PeerId[];
}

/**
 * Unicast round the ring: this is what I have; send me what I lack, ask for what you lack. Without a report: "you had the same
 * when you last spoke"; whoever has another hash by now asks for the report by sending its own.
 */
export interface HeartbeatMessage {
  readonly kind: 'heartbeat';
  /** Hash of the sender's have-set and closures (safe integer). */
  readonly vectorHash: number;
  readonly have?: HaveReport;
  /** To a peer that knows other members. */
  readonly members?: MembersReport;
}

/** The dots a SYNC record stands for besides the winner's own. */
export interface CoveredDots extends Origin {
  readonly ranges: readonly SequenceRange[];
}

/** An entry of a checkpoint. */
export interface CheckpointEntry {
  readonly key: Key;
  readonly timestamp: Timestamp;
  readonly id: PeerId;
  readonly incarnation: Incarnation;
  readonly sequence: number;
  readonly entryKind: EntryKind;
  readonly expiresAt: number;
  readonly value: Uint8Array;
}

/** R5: the entry of a key as it is *now*, with its true tag, for every covered dot. */
export interface SyncEntryRecord extends CheckpointEntry {
  readonly kind: 'entry';
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
 * Records the receiver lacks. With `have` it is a HYBRID: "now send what I lack". `more` without records or `have` says that
 * what is lacking is more than goes into a few datagrams: it is there for whoever pulls it. With `catchUp` it is a part of that; `more`: not the last one.
 */
export interface SyncMessage {
  readonly kind: 'sync';
  readonly records: readonly SyncRecord[];
  readonly more: boolean;
  readonly have?: HaveReport;
  readonly catchUp?: CatchUpPart;
}

/** Which catch-up of its giver's process, 0 for none: it gives to as many others as it may; and which part of it, from 0. */
export interface CatchUpPart {
  readonly number: number;
  readonly part: number;
}

/** By stream, to who offered it: the parts of a catch-up before this one have come; number 0 asks for a new one, and says what is had by now. */
export interface PullMessage extends CatchUpPart {
  readonly kind: 'pull';
  readonly have?: HaveReport;
}

/** Unicast: these dots are missing here; send them. */
export interface NakMessage {
  readonly kind: 'nak';
  readonly origin: Origin;
  readonly ranges: readonly SequenceRange[];
}

/** Names a checkpoint round; the coordinator is the sender of PREPARE and COMMIT. */
export interface RoundName extends Origin {
  readonly number: number;
}

/** R6, to every member: fence these incarnations, promise a bound, say what you have. */
export interface PrepareMessage {
  readonly kind: 'prepare';
  readonly number: number;
  readonly membershipHash: number;
  /** Of every member. */
  readonly incarnations: readonly Origin[];
  /** The largest promise of the receiver that any member remembers; there once all have told (R10). */
  readonly remembered?: Timestamp;
}

/** R6: fenced, promised and durable. */
export interface PreparedMessage {
  readonly kind: 'prepared';
  readonly round: RoundName;
  readonly promised: Timestamp;
  readonly have: HaveReport;
}

/** R6: not with these members or incarnations; these are the ones known here. */
export interface RefuseMessage {
  readonly kind: 'refuse';
  readonly round: RoundName;
  /** `unvouched`: until it knows what all remember of it; the round goes on. */
  readonly reason: 'members' | 'incarnations' | 'joining' | 'clock' | 'unvouched';
  readonly incarnations: readonly Origin[];
  /** What it remembers of all, when it is unvouched. */
  readonly promises: readonly PromiseReport[];
}

/** R6: the facts of a finished round. */
export interface CommitMessage {
  readonly kind: 'commit';
  readonly number: number;
  /** H: no member will ever stamp at or below, and all that was stamped so is in `known`. */
  readonly horizon: Timestamp;
  /** Q less the void, of incarnations that are not folded; `trim` is C: everyone has it durably. */
  readonly known: readonly VectorEntry[];
  readonly closures: readonly ClosureReport[];
  readonly promises: readonly PromiseReport[];
}

/** A horizon that waits until all known at its round has arrived. */
export interface PendingHorizon {
  readonly horizon: Timestamp;
  readonly known: readonly VectorEntry[];
}

/** R10: give me a checkpoint; the sender's incarnation is to be recorded first. Or: all before this part of it has come, go on. */
export interface JoinMessage {
  readonly kind: 'join';
  /** Of which snapshot; 0 for a new one. */
  readonly snapshot: number;
  readonly part: number;
}

/** Rows of one origin's update table, from one sequence on: of what is had above a gap. */
export interface CheckpointRows extends Origin {
  readonly from: number;
  readonly keys: readonly Key[];
}

/** What of a checkpoint is neither entry nor row. */
export interface CheckpointFacts {
  readonly have: HaveReport;
  readonly horizon: Timestamp;
  readonly clock: Timestamp;
  readonly promised: Timestamp;
  readonly fences: readonly Origin[];
  readonly incarnations: readonly Origin[];
  readonly pending: readonly PendingHorizon[];
  readonly members: MembersReport;
  readonly lineage: Lineage;
}

/** Part of one consistent snapshot, by stream: first facts and rows, then the entries in order of keys. Nothing of it is claimed before all parts are there (R9). */
export interface CheckpointMessage {
  readonly kind: 'checkpoint';
  /** Tells snapshots of one process apart: the later one is larger; from 1 up. */
  readonly snapshot: number;
  readonly part: number;
  /** The joiner's incarnation that the donor has recorded (R10). */
  readonly joiner: Incarnation;
  readonly entries: readonly CheckpointEntry[];
  readonly rows: readonly CheckpointRows[];
  /** With the first part. */
  readonly facts?: CheckpointFacts;
  readonly isLast?: true;
  /** Instead of all that: the sender gives to as many others as it may (to whoever asked for a new snapshot, 0), or has let that snapshot go. */
  readonly isRefused?: true;
}

/** R7, R10: what is known of the receiver that it does not seem to know. */
export interface FencedMessage {
  readonly kind: 'fenced';
  /** Highest incarnation known of it. */
  readonly incarnation: Incarnation;
  /** Bound it promised, as remembered. */
  readonly promised: Timestamp;
  readonly isForgotten: boolean;
}

/** R4: an update at or below the horizon came for a key that is gone; whoever owns it stamps it anew, above that horizon. */
export interface AlarmMessage {
  readonly kind: 'alarm';
  readonly incarnation: Incarnation;
  readonly sequence: number;
  readonly key: Key;
  /** The receiver's of the update; 0 in the owner's answer, when it has nothing to stamp anew. */
  readonly horizon: Timestamp;
}

/** Of a register (quorum.ts): what do you hold of this key? With a record, the asker's, that is to be taken first. */
export interface FetchMessage {
  readonly kind: 'fetch';
  /** From 1 up, in the asker's process. */
  readonly number: number;
  readonly membershipHash: number;
  readonly key: Key;
  /** What the asker holds; what is newer comes along unless the tag alone is wanted. */
  readonly tag: Tag;
  readonly wants: 'tag' | 'record';
  readonly record?: SyncRecord;
}

/** The sender holds this of the key, and it is durable there. Without a tag it does not count: by its membership hash, or because it cannot be sure of what it had. */
export interface FetchedMessage {
  readonly kind: 'fetched';
  readonly asker: Incarnation;
  readonly number: number;
  readonly membershipHash: number;
  readonly tag?: Tag;
  readonly record?: SyncRecord;
}

/** Multicast and unicast, a few times: the sender's process stops now, and says nothing more. The envelope says which process that is. */
interface LeavingMessage {
  readonly kind: 'leaving';
}

/** Multicast, with the turn's UPDATEs, and to the silent again: who has the sender's own updates through this one on disk? */
export interface AskMessage {
  readonly kind: 'ask';
  readonly sequence: number;
}

/** Unicast, when it is durable: the sender has everything of the receiver's process `of` through this sequence on disk. */
export interface HeldMessage {
  readonly kind: 'held';
  readonly of: Incarnation;
  readonly sequence: number;
}

export type Message =
  | UpdateMessage
  | KeepaliveMessage
  | HeartbeatMessage
  | SyncMessage
  | NakMessage
  | PullMessage
  | PrepareMessage
  | PreparedMessage
  | RefuseMessage
  | CommitMessage
  | JoinMessage
  | CheckpointMessage
  | FencedMessage
  | AlarmMessage
  | LeavingMessage
  | FetchMessage
  | FetchedMessage
  | AskMessage
  | HeldMessage
  | PublishMessage
  | MissMessage;
export type MessageKind = Message['kind'];

/** By which way a message came, or is to go. A stream is peer-to-peer TCP. */
export type Channel = 'multicast' | 'unicast' | 'stream';
