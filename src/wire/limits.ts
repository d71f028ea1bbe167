/**
 * Every bound of the wire: what one message may hold, and how many bytes each part of it takes at most.
 *
 * Owns the numbers only; messageCodec.ts and envelope.ts enforce them on bytes that come from outside, before
 * anything is allocated by a count somebody else wrote. The `..._OVERHEAD_BYTES` are upper bounds, so that
 * whoever packs records into datagrams by them never outgrows the datagram.
 */

/** Longest key, bytes (LMDB's 1,978 less storage's prefix). The shortest is 1. */
export const MAX_KEY_BYTES = 1_900;

/** Longest value, bytes. */
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;

/** Longest peer id, characters; each is one byte. */
export const MAX_ID_BYTES = 32;

/** Records of one UPDATE or SYNC. A million bytes of the smallest useful records stay well below it. */
export const MAX_RECORDS_PER_MESSAGE = 131_072;

/** Vector entries of one HEARTBEAT or HYBRID. */
export const MAX_VECTOR_ENTRIES_PER_MESSAGE = 65_536;

/** Sequence ranges of one message, those of gaps, covers and NAKs taken together. */
export const MAX_RANGES_PER_MESSAGE = 262_144;

/** Covered origins of one message, all records taken together. */
export const MAX_COVERS_PER_MESSAGE = 262_144;

/** Dots that one SYNC covers, all records taken together: each is recorded by itself. Well above what any answer looks at. */
export const MAX_COVERED_DOTS_PER_MESSAGE = 262_144;

/** Ids, or origins, of one list of members, incarnations, promises or closures. */
export const MAX_IDS_PER_LIST = 65_536;

/** Rows of one part of a checkpoint, and horizons that wait. */
export const MAX_ROWS_PER_MESSAGE = 1_000_000;
export const MAX_PENDING_PER_MESSAGE = 16;

/** Peers that one KEEPALIVE lists. */
export const MAX_LISTED_PER_MESSAGE = 4_096;

/** Integers of one message: bounds the array that unpacking allocates (8 bytes each). */
export const MAX_INTEGERS_PER_MESSAGE = 2_097_152;

/** A packed integer takes 1 byte below 128, 9 bytes at most. */
const INTEGER_BYTES = 9;
/** A packed count or length below 65,536 takes 3 bytes at most. */
const COUNT_BYTES = 3;
/** A packed value length takes 5 bytes at most. */
const VALUE_LENGTH_BYTES = 5;
/** An origin at its first mention: code, length, incarnation and the id itself. */
const ORIGIN_BYTES = 1 + 1 + INTEGER_BYTES + MAX_ID_BYTES;

/** One update record beside its key and value: flags, key length, sequence, timestamp, expiry, value length. */
export const UPDATE_RECORD_OVERHEAD_BYTES = 1 + COUNT_BYTES + 3 * INTEGER_BYTES + VALUE_LENGTH_BYTES;

/** One SYNC record beside its key, value and covers: as an update, with the winner's origin and the number of covers. */
export const SYNC_RECORD_OVERHEAD_BYTES = UPDATE_RECORD_OVERHEAD_BYTES + ORIGIN_BYTES + VALUE_LENGTH_BYTES;

/** One covered origin beside its ranges. */
export const COVER_OVERHEAD_BYTES = ORIGIN_BYTES + VALUE_LENGTH_BYTES;

/** One vector entry beside its gaps. */
export const VECTOR_ENTRY_OVERHEAD_BYTES = ORIGIN_BYTES + INTEGER_BYTES + VALUE_LENGTH_BYTES;

/** One sequence range: a gap, a covered range, a range of a NAK. */
export const RANGE_BYTES = 2 * INTEGER_BYTES;

/** One published message beside channel and message: the difference of its sequence, what was left out, two lengths. */
export const PUBLISHED_OVERHEAD_BYTES = 2 * INTEGER_BYTES + 2 * VALUE_LENGTH_BYTES;

/** What frames the records of a message of up to 65,535 integers: array header, kind, two flags, two counts. */
export const MESSAGE_FRAMING_BYTES = COUNT_BYTES + 1 + 2 + 2 * COUNT_BYTES;

/** Envelope header without the sender's id (its layout is in envelopeHeader.ts). */
export const ENVELOPE_FIXED_HEADER_BYTES = 30;

/** What follows the payload when it is sealed: the GCM tag. */
export const SEAL_TAG_BYTES = 16;

/** What follows the payload when it is in clear: a 64-bit hash of header and payload. */
export const CHECKSUM_BYTES = 8;

/** What a payload grows by when it is put into an envelope, at most. */
export const ENVELOPE_OVERHEAD_BYTES = ENVELOPE_FIXED_HEADER_BYTES + MAX_ID_BYTES + SEAL_TAG_BYTES;

/** Bytes of a datagram that are not records, at most: a budget of 1,400 leaves 1,400 less this for records. */
export const DATAGRAM_OVERHEAD_BYTES = ENVELOPE_OVERHEAD_BYTES + MESSAGE_FRAMING_BYTES;

const PEER_ID = /^[A-Za-z0-9_.-]{1,32}$/;

/** Whether a text may be a PeerId. */
export function isPeerId(text: string): boolean {
  return PEER_ID.test(text);
}
