/**
 * What is remembered of a client's request that was executed: who did, under which updates, and what was answered.
 *
 * Owns the key and the bytes of a record, which is an entry of a hidden key: it travels, expires and is repaired as entries do. Whether a request may be executed
 * is requests.ts's. Invariant (I13): what executed a request is in its record for good, whatever tag the record comes to have, so that two executions of one request show where
 * their records meet.
 */
import { HIDDEN_PREFIX } from './hiddenKeys.ts';
import type { PeerState } from './state.ts';
import type { Dot, Entry, Incarnation, Key, PeerId } from './types.ts';

/** Bytes of an id that a client may choose, as a binary string of them. */
export const MAX_REQUEST_ID_BYTES = 64;

/** A client's name for one request, unique among all of all clients: a binary string of 1 to 64 bytes. */
export type RequestId = string & { readonly requestId: unique symbol };

interface RequestRecord {
  /** The record's own update as it was first made; what the request changed are the `effects` updates right after it. */
  readonly executed: Dot;
  readonly effects: number;
  /** Undefined: it was too long to be kept. */
  readonly reply: Uint8Array | undefined;
}

/** One byte each: what follows is a record of this form; the length of the id. Then, big-endian, two doubles and a 32-bit number. */
const FORM = 1;
const NUMBERS_BYTES = 8 + 8 + 4;
const KEPT = 1;
const TOO_LONG = 0;

const RECORD_PREFIX = `${HIDDEN_PREFIX}q`;

export function recordKey(id: RequestId): Key {
  return `${HIDDEN_PREFIX}q${id}` as Key;
}

function isRecordKey(key: Key): boolean {
  return key.charCodeAt(0) === 0xff && key.startsWith(RECORD_PREFIX);
}

export function encodeRecord({ executed, effects, reply }: RequestRecord): Uint8Array {
  const { id, incarnation, sequence } = executed;
  const numbersAt = 2 + id.length;
  const replyAt = numbersAt + NUMBERS_BYTES + 1;
  const bytes = new Uint8Array(replyAt + (reply?.length ?? 0));
  bytes[0] = FORM;
  bytes[1] = id.length;
  for (let at = 0; at < id.length; at += 1) bytes[2 + at] = id.charCodeAt(at);
  const numbers = new DataView(bytes.buffer, numbersAt);
  numbers.setFloat64(0, incarnation);
  numbers.setFloat64(8, sequence);
  numbers.setUint32(16, effects);
  bytes[replyAt - 1] = reply === undefined ? TOO_LONG : KEPT;
  if (reply !== undefined) bytes.set(reply, replyAt);
  return bytes;
}

/** Undefined for what is no record of this form: a later release may have another. */
export function decodeRecord(bytes: Uint8Array): RequestRecord | undefined {
  const numbersAt = 2 + (bytes[1] ?? 0);
  const replyAt = numbersAt + NUMBERS_BYTES + 1;
  if (bytes[0] !== FORM || bytes.length < replyAt) return undefined;
  const id = String.fromCharCode(...bytes.subarray(2, numbersAt)) as PeerId;
  const numbers = new DataView(bytes.buffer, bytes.byteOffset + numbersAt);
  const incarnation = numbers.getFloat64(0) as Incarnation;
  const sequence = numbers.getFloat64(8);
  const effects = numbers.getUint32(16);
  const reply = bytes[replyAt - 1] === KEPT ? bytes.subarray(replyAt) : undefined;
  return { executed: { id, incarnation, sequence }, effects, reply };
}

/**
 * Two entries of one key meet here. Two records of one request that different updates were first made as: it was executed twice. A client gave one id to two requests, or sent one anew
 * without saying so; nothing can be undone, but it is counted and told. What this process could prove of its own requests until now it cannot any more.
 */
export function noteMeeting(state: PeerState, key: Key, present: Entry, incoming: Entry): void {
  if (!isRecordKey(key) || present.kind !== 'value' || incoming.kind !== 'value') return;
  const [one, other] = [decodeRecord(present.value)?.executed, decodeRecord(incoming.value)?.executed];
  if (one === undefined || other === undefined) return;
  if (one.id === other.id && one.incarnation === other.incarnation && one.sequence === other.sequence) return;
  state.counters.requestsExecutedTwice += 1;
  state.requestsForgotten = state.own.have.contiguous;
  state.effects.push({
    kind: 'notice',
    name: 'requestExecutedTwice',
    detail: { one: one.id, other: other.id, id: printable(key.slice(recordKey('' as RequestId).length)) },
  });
}

/** A record is let go of here: from now on its absence proves nothing of requests of this process that are older than it, or as old. */
export function noteForgotten(state: PeerState, key: Key, { kind, id, incarnation, sequence }: Entry): void {
  if (!isRecordKey(key)) return;
  if (kind === 'synthetic') state.requestsForgotten = state.own.have.contiguous; // whose it was is not known any more
  if (id !== state.self.id || incarnation !== state.self.incarnation) return;
  state.requestsForgotten = Math.max(state.requestsForgotten, sequence);
}

function printable(id: string): string {
  return id.replaceAll(/[^\x20-\x7e]/g, '?');
}
