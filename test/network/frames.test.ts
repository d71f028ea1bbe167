/**
 * Putting frames together from any pieces, within bounded memory; and bounds on incoming connections.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fc from 'fast-check';
import { createFaultCounts } from '../../src/network/faultCounts.ts';
import { createFrameAssembler, MAX_FRAME_BYTES, MAX_UNFINISHED_BYTES } from '../../src/network/frames.ts';
import type { FrameMemory } from '../../src/network/frames.ts';
import { openIncomingStreams } from '../../src/network/incomingStreams.ts';
import { dialTcp } from '../../src/network/tcp.ts';
import { findPeerPorts } from '../ports.ts';
import { HOST } from './support.ts';

function frame(bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(bytes.length);
  return Buffer.concat([header, bytes]);
}

function unexpected(): void {
  throw new Error('a frame was delivered that had not come whole');
}

describe('frame assembler', () => {
  it('delivers the same frames whatever pieces they come in', () => {
    const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1 }),
        (sent, pieceSizes) => {
          const stream = Buffer.concat(sent.map(frame));
          const memory = { usedBytes: 0 };
          const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
          const received: Buffer[] = [];
          let position = 0;
          for (let turn = 0; position < stream.length; turn++) {
            const end = position + (pieceSizes[turn % pieceSizes.length] ?? 1);
            const fault = assembler.push(stream.subarray(position, end), (bytes) =>
              received.push(Buffer.from(bytes)),
            );
            assert.equal(fault, undefined);
            position = end;
          }
          assert.deepEqual(
            received,
            sent.map((bytes) => Buffer.from(bytes)),
          );
          assert.equal(memory.usedBytes, 0);
        },
      ),
    );
  });

  it('takes memory for bytes that came, not for bytes that were claimed', () => {
    const memory = { usedBytes: 0 };
    const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
    const claim = frame(Buffer.alloc(0));
    claim.writeUInt32BE(MAX_FRAME_BYTES);
    assembler.push(claim, unexpected);
    assert.equal(memory.usedBytes, 0);
    assembler.push(Buffer.alloc(1), unexpected);
    assert.ok(memory.usedBytes <= 64 * 1024);
    assembler.push(Buffer.alloc(200_000), unexpected);
    assert.ok(memory.usedBytes <= 2 * 200_001);
    assembler.release();
    assert.equal(memory.usedBytes, 0);
  });

  it('takes one-byte pieces without keeping a piece each', () => {
    const memory = { usedBytes: 0 };
    const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
    const sent = frame(Buffer.alloc(300_000, 'slow'));
    let received = 0;
    for (let at = 0; at < sent.length; at++) {
      assembler.push(sent.subarray(at, at + 1), (bytes) => (received += bytes.length));
      assert.ok(memory.usedBytes <= 2 * 300_000);
    }
    assert.equal(received, 300_000);
  });

  it('puts one frame after another into the same memory, of whichever connection, and keeps none of a long one', () => {
    const memory: FrameMemory = { usedBytes: 0 };
    const seen: ArrayBufferLike[] = [];
    const texts: string[] = [];
    const deliver = (length: number, letter: string): void => {
      const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
      const sent = frame(Buffer.alloc(length, letter));
      for (let at = 0; at < sent.length; at += 60_000) {
        assembler.push(sent.subarray(at, at + 60_000), (bytes) => {
          seen.push(bytes.buffer);
          texts.push(
            `${bytes.length} ${bytes.toString('latin1', 0, 1)}${bytes.toString('latin1', length - 1)}`,
          );
        });
      }
    };
    deliver(300_000, 'a');
    deliver(200_000, 'b');
    deliver(300_000, 'c');
    assert.equal(new Set(seen).size, 1);
    deliver(5_000_000, 'd');
    assert.deepEqual(texts, ['300000 aa', '200000 bb', '300000 cc', '5000000 dd']);
    assert.ok((memory.spare?.length ?? 0) <= 2 * 1024 * 1024);
    assert.equal(memory.usedBytes, 0);
  });

  it('refuses a frame once all connections together hold too much', () => {
    const memory = { usedBytes: MAX_UNFINISHED_BYTES - 100_000 };
    const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
    const sent = frame(Buffer.alloc(1_000_000));
    assert.equal(assembler.push(sent.subarray(0, 60_000), unexpected), undefined);
    assert.equal(assembler.push(sent.subarray(60_000, 400_000), unexpected), 'frameMemoryFull');
    assembler.release();
    assert.equal(memory.usedBytes, MAX_UNFINISHED_BYTES - 100_000);
  });

  it('leaves kept memory alone where the budget has no room for it', () => {
    const memory: FrameMemory = { usedBytes: MAX_UNFINISHED_BYTES - 100_000, spare: Buffer.alloc(300_000) };
    const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
    assert.equal(assembler.push(frame(Buffer.alloc(1_000_000)).subarray(0, 60_000), unexpected), undefined);
    assert.ok(memory.usedBytes <= MAX_UNFINISHED_BYTES);
    assert.equal(memory.spare?.length, 300_000);
  });

  it('refuses empty frames and frames beyond the limit', () => {
    const push = (bytes: Buffer): unknown =>
      createFrameAssembler(10, { usedBytes: 0 }).push(bytes, () => undefined);
    assert.equal(push(frame(Buffer.alloc(10))), undefined);
    assert.equal(push(frame(Buffer.alloc(11))), 'frameTooLong');
    assert.equal(push(frame(Buffer.alloc(0))), 'emptyFrame');
  });
});

describe('incoming streams', () => {
  it('make room for a new connection by closing the one that delivered nothing for longest', async () => {
    const [port = 0] = await findPeerPorts(1);
    const faults = createFaultCounts(() => undefined);
    let onArrival = (): void => undefined;
    const frames: string[] = [];
    const onFrame = (bytes: Buffer): void => {
      frames.push(bytes.toString());
      onArrival();
    };
    const streams = await openIncomingStreams({ host: HOST, port, onFrame, faults, maxConnections: 2 });
    const send = async (socket: ReturnType<typeof dialTcp>, text: string): Promise<void> => {
      const arrived = new Promise<void>((resolve) => (onArrival = resolve));
      socket.write(frame(Buffer.from(text)));
      await arrived;
    };
    try {
      const talking = dialTcp({ host: HOST, port });
      await send(talking, 'one');
      const silent = dialTcp({ host: HOST, port });
      silent.resume();
      await once(silent, 'connect');
      await send(talking, 'two');
      const third = dialTcp({ host: HOST, port });
      await send(third, 'three');
      if (!silent.closed) await once(silent, 'close');
      await send(talking, 'four');
      assert.deepEqual(frames, ['one', 'two', 'three', 'four']);
      assert.equal(faults.snapshot().tooManyConnections, 1);
      assert.equal(streams.report().connections, 2);
      talking.destroy();
      third.destroy();
    } finally {
      await streams.close();
    }
  });
});

describe('fault counts', () => {
  it('describe the 1st, 10th and 100th of a kind, and count all', () => {
    const said: string[] = [];
    const faults = createFaultCounts((description) => said.push(description));
    for (let index = 0; index < 150; index++) faults.count('sendFailed', () => 'why');
    faults.count('unknownPeer', () => 'who');
    assert.deepEqual(said, [
      'sendFailed: why',
      'sendFailed (10 times): why',
      'sendFailed (100 times): why',
      'unknownPeer: who',
    ]);
    assert.deepEqual(faults.snapshot(), { sendFailed: 150, unknownPeer: 1 });
  });
});
