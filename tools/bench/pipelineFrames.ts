/**
 * Entries on the wire of the bare pipeline: length of the key, length of the value, both as 32 bits, key, value.
 *
 * Owns these bytes. Leaves sockets and LMDB to pipelineSender.ts and pipelineReceiver.ts. Invariant: a reader hands out each entry
 * once and whole, wherever the stream was cut. Its loops create no functions: the loader that runs this file would name each (shipped.ts).
 */

const HEADER_BYTES = 8;

export type FramedEntry = readonly [key: Buffer, value: Buffer];

export interface FrameReader {
  /** The entries that are whole with this chunk, as views into it where it holds all of them. */
  readonly read: (chunk: Buffer) => readonly FramedEntry[];
  /** Bytes of an entry that is not whole; 0 at an orderly end. */
  readonly unfinishedBytes: () => number;
}

export function frameBytes(key: Buffer, value: Buffer): number {
  return HEADER_BYTES + key.length + value.length;
}

/** Writes one entry into `target` from `at` on, where there is room for it; answers where the next one begins. */
export function writeFrame(target: Buffer, at: number, key: Buffer, value: Buffer): number {
  target.writeUInt32BE(key.length, at);
  target.writeUInt32BE(value.length, at + 4);
  target.set(key, at + HEADER_BYTES);
  target.set(value, at + HEADER_BYTES + key.length);
  return at + frameBytes(key, value);
}

export function createFrameReader(): FrameReader {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  /** Bytes of the entry that `kept` begins with, as far as its header is known. */
  let neededBytes = HEADER_BYTES;
  return {
    read(chunk) {
      kept.push(chunk);
      keptBytes += chunk.length;
      // A long value comes in many chunks: they are put together once, when the last one is here.
      if (keptBytes < neededBytes) return [];
      const bytes = kept.length === 1 ? chunk : Buffer.concat(kept);
      const entries: FramedEntry[] = [];
      let at = 0;
      for (;;) {
        neededBytes = HEADER_BYTES;
        if (at + HEADER_BYTES > bytes.length) break;
        const keyAt = at + HEADER_BYTES;
        const valueAt = keyAt + bytes.readUInt32BE(at);
        const end = valueAt + bytes.readUInt32BE(at + 4);
        neededBytes = end - at;
        if (end > bytes.length) break;
        entries.push([bytes.subarray(keyAt, valueAt), bytes.subarray(valueAt, end)]);
        at = end;
      }
      kept = at < bytes.length ? [bytes.subarray(at)] : [];
      keptBytes = bytes.length - at;
      return entries;
    },
    unfinishedBytes: () => keptBytes,
  };
}
