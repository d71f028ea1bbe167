/**
 * KEEPALIVE: that a peer lives, how far it is, whom it hears.
 *
 * Owns its layout; what it means is core/onKeepalive.ts's. The members that are heard as most are heard are not listed, so at rest it has a bounded length.
 */
import type { PeerId, Timestamp } from '../core/types.ts';
import { PHASES } from '../core/messages.ts';
import type { Hearing, KeepaliveMessage, Listed } from '../core/messages.ts';
import { writeIdBytes, writeInteger, writeTimestamp } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import { failReading, readCount, readIdBytes, readInteger, readTimestamp } from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import { readLineage, writeLineage } from './haveCodec.ts';
import { MAX_LISTED_PER_MESSAGE } from './limits.ts';

/** How a peer may be heard, by number. */
const HEARINGS: readonly Hearing[] = ['unheard', 'unicast', 'multicast'];
/** Each with or without a clock that is ahead. */
const MANNERS = 2 * HEARINGS.length;
const MAX_32_BITS = 0xffff_ffff;

export function writeKeepalive(writer: FieldWriter, message: KeepaliveMessage): void {
  writeInteger(writer, message.lastSequence);
  writeInteger(writer, message.wallMs);
  writeTimestamp(writer, message.timestamp);
  writeInteger(writer, message.vectorHash);
  writeInteger(writer, message.serversHash);
  writeInteger(writer, message.membershipHash);
  writer.integers.push(PHASES.indexOf(message.phase));
  writeInteger(writer, message.promised);
  writeLineage(writer, message.lineage);
  writer.integers.push(HEARINGS.indexOf(message.others), message.listed.length);
  for (const { id, how, aheadMs } of message.listed) {
    const manner = HEARINGS.indexOf(how) + (aheadMs > 0 ? HEARINGS.length : 0);
    writer.integers.push(id.length * MANNERS + manner);
    writeIdBytes(writer, id);
    if (aheadMs > 0) writeInteger(writer, aheadMs);
  }
}

export function readKeepalive(reader: FieldReader): KeepaliveMessage {
  const lastSequence = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  const wallMs = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  const timestamp = readTimestamp(reader);
  const vectorHash = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  const serversHash = readInteger(reader, 0, MAX_32_BITS);
  const membershipHash = readInteger(reader, 0, MAX_32_BITS);
  const phase = PHASES[readInteger(reader, 0, PHASES.length - 1)] ?? 'fresh';
  const promised = readInteger(reader, 0, Number.MAX_SAFE_INTEGER) as Timestamp;
  const lineage = readLineage(reader);
  const others = HEARINGS[readInteger(reader, 0, HEARINGS.length - 1)] ?? 'unheard';
  if (others === 'unicast') failReading(reader, 'badNumber');
  const count = readCount(reader, MAX_LISTED_PER_MESSAGE, 1);
  const listed = new Map<PeerId, Listed>();
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const code = readInteger(reader, MANNERS, 0xff);
    const id = readIdBytes(reader, Math.floor(code / MANNERS));
    if (listed.has(id)) failReading(reader, 'duplicate');
    const isAhead = code % MANNERS >= HEARINGS.length;
    const aheadMs = isAhead ? readInteger(reader, 1, Number.MAX_SAFE_INTEGER) : 0;
    listed.set(id, { id, how: HEARINGS[code % HEARINGS.length] ?? 'unheard', aheadMs });
  }
  return {
    kind: 'keepalive',
    lastSequence,
    wallMs,
    timestamp,
    membershipHash,
    others: others === 'multicast' ? others : 'unheard',
    listed: [...listed.values()],
    vectorHash,
    serversHash,
    phase,
    promised,
    lineage,
  };
}
