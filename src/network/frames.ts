/**
 * Frames of a stream: u32 length, big-endian, then as many bytes.
 *
 * Owns putting them together from whatever pieces TCP delivers. A length is only a claim: memory grows with the
 * bytes that really came, to at most twice their number, and within a budget that all connections share. One buffer beside outlives its frame: a transfer of
 * many would else make garbage of several times its length, and its collection cost more than the copying. Keeps: frames come out whole and in order; a
 * frame that came in one piece is not copied.
 */
export const FRAME_HEADER_BYTES = 4;

/** Longest frame, bytes: a value of 16 MiB with its key and envelope. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024 + 1024 * 1024;

/** Bytes that all unfinished frames of all connections may take together. */
export const MAX_UNFINISHED_BYTES = 128 * 1024 * 1024;

/** First allocation for a frame that comes in pieces, bytes; doubled as it fills. */
const FIRST_CHUNK_BYTES = 64 * 1024;

/** Longest buffer that is kept for the next frame, bytes. */
const SPARE_BYTES = 2 * 1024 * 1024;

type FrameFault = 'frameTooLong' | 'emptyFrame' | 'frameMemoryFull';

/** What unfinished frames take, over all connections. */
export interface FrameMemory {
  usedBytes: number;
  /** What they may take; MAX_UNFINISHED_BYTES if left out. */
  readonly limitBytes?: number;
  /** Of a frame that was delivered, for the next one of any connection; not counted while nobody has it. */
  spare?: Buffer | undefined;
}

interface FrameAssembler {
  /** Delivers every frame that `piece` completes; its bytes are written over after `onFrame`. On a fault the connection is of no use any more. */
  push(piece: Buffer, onFrame: (frame: Buffer) => void): FrameFault | undefined;
  /** Later frames take their memory from there. Only while there is no unfinished frame, as in `onFrame`. */
  takeFrom(memory: FrameMemory): void;
  /** Gives the memory back; the assembler must not be used after. */
  release(): void;
}

export function createFrameAssembler(maxFrameBytes: number, firstMemory: FrameMemory): FrameAssembler {
  let memory = firstMemory;
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  let headerBytes = 0;
  let frame: Buffer | undefined;
  let filledBytes = 0;
  let frameBytes = 0;

  return {
    push(piece, onFrame) {
      let position = 0;
      while (position < piece.length) {
        if (headerBytes < FRAME_HEADER_BYTES) {
          const taken = piece.copy(header, headerBytes, position);
          headerBytes += taken;
          position += taken;
          if (headerBytes < FRAME_HEADER_BYTES) return undefined;
          frameBytes = header.readUInt32BE();
          if (frameBytes === 0) return 'emptyFrame';
          if (frameBytes > maxFrameBytes) return 'frameTooLong';
          if (position === piece.length) return undefined;
        }
        const end = Math.min(piece.length, position + frameBytes - filledBytes);
        if (frame === undefined && end - position === frameBytes) {
          headerBytes = 0;
          onFrame(piece.subarray(position, end));
        } else {
          const target = makeRoom(end - position);
          if (target === undefined) return 'frameMemoryFull';
          piece.copy(target, filledBytes, position, end);
          filledBytes += end - position;
          if (filledBytes === frameBytes) {
            const whole = target.subarray(0, frameBytes);
            reset();
            onFrame(whole);
            keepSpare(target);
          }
        }
        position = end;
      }
      return undefined;
    },
    takeFrom(later) {
      memory = later;
    },
    release: reset,
  };

  function makeRoom(moreBytes: number): Buffer | undefined {
    const neededBytes = filledBytes + moreBytes;
    if (frame === undefined) takeSpare();
    if (frame !== undefined && frame.length >= neededBytes) return frame;
    const sizeBytes = Math.min(frameBytes, Math.max(FIRST_CHUNK_BYTES, 2 * filledBytes, neededBytes));
    const growthBytes = sizeBytes - (frame?.length ?? 0);
    if (memory.usedBytes + growthBytes > limitOf(memory)) return undefined;
    memory.usedBytes += growthBytes;
    const larger = Buffer.allocUnsafeSlow(sizeBytes);
    frame?.copy(larger, 0, 0, filledBytes);
    frame = larger;
    return larger;
  }

  function takeSpare(): void {
    const { spare } = memory;
    if (spare === undefined || memory.usedBytes + spare.length > limitOf(memory)) return;
    memory.spare = undefined;
    memory.usedBytes += spare.length;
    frame = spare;
  }

  function keepSpare(buffer: Buffer): void {
    if (buffer.length <= SPARE_BYTES && buffer.length > (memory.spare?.length ?? 0)) memory.spare = buffer;
  }

  function reset(): void {
    memory.usedBytes -= frame?.length ?? 0;
    frame = undefined;
    headerBytes = 0;
    filledBytes = 0;
    frameBytes = 0;
  }
}

function limitOf({ limitBytes }: FrameMemory): number {
  return limitBytes ?? MAX_UNFINISHED_BYTES;
}
