/**
 * Memory of long packets, used again once their bytes have left.
 *
 * Why: what a transfer sends goes through packets of a quarter of a MiB. With new memory for each the garbage collector runs every few milliseconds, and its
 * threads take a core from whoever works. Short packets are not worth it. Keeps: memory that was taken is nobody else's until it is given back.
 */

/** Packets from here on, bytes; their memory is a multiple of it. */
const LONG_BYTES = 64 * 1024;
/** What is kept unused, bytes. */
const KEPT_BYTES = 4 * 1024 * 1024;

interface PacketMemory {
  /** That many bytes, with anything in them. */
  readonly take: (sizeBytes: number) => Buffer;
  /** Nobody reads or writes it any more. */
  readonly give: (packet: Buffer) => void;
}

export function createPacketMemory(): PacketMemory {
  const kept: Buffer[] = [];
  let keptBytes = 0;

  return {
    take(sizeBytes) {
      if (sizeBytes < LONG_BYTES) return Buffer.allocUnsafe(sizeBytes);
      const at = kept.findIndex(({ length }) => length >= sizeBytes);
      const [found] = at < 0 ? [] : kept.splice(at, 1);
      keptBytes -= found?.length ?? 0;
      const memory = found ?? Buffer.allocUnsafeSlow(Math.ceil(sizeBytes / LONG_BYTES) * LONG_BYTES);
      return memory.subarray(0, sizeBytes);
    },
    give(packet) {
      if (packet.length < LONG_BYTES || keptBytes + packet.buffer.byteLength > KEPT_BYTES) return;
      const memory = Buffer.from(packet.buffer); // it has all of it: see `take`
      kept.push(memory);
      keptBytes += memory.length;
    },
  };
}
