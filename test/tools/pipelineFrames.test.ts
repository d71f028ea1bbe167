/**
 * The frames of the bare pipeline that joins are compared with: written, read back, cut anywhere.
 *
 * Owns no socket. Invariant under test: a reader hands out what was written, once and whole, however the stream is cut: a pipeline that lost entries
 * would be a quick one.
 */
import assert from 'node:assert/strict';
import { createFrameReader, frameBytes, writeFrame } from '../../tools/bench/pipelineFrames.ts';

const ENTRIES = [
  ['key:1', 'a value'],
  ['', ''],
  ['key:2', 'v'.repeat(300)],
  ['k', ''],
] as const;
const STREAM = buildStream();

function buildStream(): Buffer {
  const entries = ENTRIES.map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const);
  const stream = Buffer.alloc(entries.reduce((sum, [key, value]) => sum + frameBytes(key, value), 0));
  let at = 0;
  for (const [key, value] of entries) at = writeFrame(stream, at, key, value);
  assert.equal(at, stream.length);
  return stream;
}

/** What a reader makes of the stream, cut into pieces that long. */
function readPieces(pieceBytes: number): string[][] {
  const reader = createFrameReader();
  const found: string[][] = [];
  for (let at = 0; at < STREAM.length; at += pieceBytes)
    for (const entry of reader.read(STREAM.subarray(at, at + pieceBytes)))
      found.push(entry.map((bytes) => bytes.toString()));
  assert.equal(reader.unfinishedBytes(), 0);
  return found;
}

describe('frames of the bare pipeline', () => {
  it('come out as they were written, in whatever pieces they come', () => {
    for (let pieceBytes = 1; pieceBytes <= STREAM.length; pieceBytes += 1)
      assert.deepEqual(readPieces(pieceBytes), ENTRIES, `pieces of ${pieceBytes} bytes`);
  });

  it('are not whole when the stream ends in the middle of an entry', () => {
    const reader = createFrameReader();
    assert.equal(reader.read(STREAM.subarray(0, STREAM.length - 1)).length, ENTRIES.length - 1);
    assert.ok(reader.unfinishedBytes() > 0);
  });
});
