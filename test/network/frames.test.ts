/**
 * Putting frames together from any pieces, within bounded memory; and bounds on incoming connections.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import fc from 'fast-check';
import { createFaultCounts } from '../../src/network/faultCounts.ts';
import type { NetworkFault } from '../../src/network/faultCounts.ts';
import { createFrameAssembler, MAX_FRAME_BYTES, MAX_UNFINISHED_BYTES } from '../../src/network/frames.ts';
import type { FrameMemory } from '../../src/network/frames.ts';
import { openIncomingStreams } from '../../src/network/incomingStreams.ts';
import type { IncomingOptions, IncomingStreams } from '../../src/network/incomingStreams.ts';
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
  const faults = createFaultCounts(() => undefined);
  const frames: string[] = [];
  const sockets: ReturnType<typeof dialTcp>[] = [];
  const arrivals = new EventEmitter();
  let port = 0;
  let streams: IncomingStreams | undefined;
  let before: ReturnType<typeof faults.snapshot>;

  /** What says 'junk' is not genuine. */
  async function listen(options: Partial<IncomingOptions> = {}): Promise<IncomingStreams> {
    [port = 0] = await findPeerPorts(1);
    before = faults.snapshot();
    const onFrame = (bytes: Buffer): boolean => {
      frames.push(bytes.length < 100 ? bytes.toString() : `${bytes.length} bytes`);
      arrivals.emit('arrival');
      return !bytes.toString('utf8', 0, 4).startsWith('junk');
    };
    streams = await openIncomingStreams({ host: HOST, port, onFrame, faults, ...options });
    return streams;
  }
  function dial(): ReturnType<typeof dialTcp> {
    const socket = dialTcp({ host: HOST, port });
    sockets.push(socket);
    socket.resume();
    return socket;
  }
  async function send(socket: ReturnType<typeof dialTcp>, bytes: Buffer | string): Promise<void> {
    const arrived = once(arrivals, 'arrival');
    socket.write(frame(Buffer.from(bytes)));
    await arrived;
  }
  const closed = (socket: ReturnType<typeof dialTcp>): Promise<void> =>
    new Promise((resolve) => {
      if (socket.closed) resolve();
      else
        socket.once('close', () => {
          resolve();
        }); // a reset is an end too
    });
  const counted = (fault: NetworkFault): number => (faults.snapshot()[fault] ?? 0) - (before[fault] ?? 0);

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    frames.length = 0;
    await streams?.close();
  });

  it('make room for a new connection by closing the one that delivered nothing for longest', async () => {
    const incoming = await listen({ maxConnections: 2 });
    const talking = dial();
    await send(talking, 'one');
    const silent = dial();
    await once(silent, 'connect');
    await send(talking, 'two');
    const third = dial();
    await send(third, 'three');
    await closed(silent);
    await send(talking, 'four');
    assert.deepEqual(frames, ['one', 'two', 'three', 'four']);
    assert.equal(counted('tooManyConnections'), 1);
    assert.equal(incoming.report().connections, 2);
  });

  it('close a stranger before one that has proved itself, however long that one has been quiet', async () => {
    await listen({ maxConnections: 2 });
    const member = dial();
    await send(member, 'one');
    const strangers = Array.from({ length: 5 }, dial);
    await Promise.all(strangers.slice(0, -1).map(closed));
    assert.equal(counted('tooManyConnections'), 4);
    await send(member, 'two');
    assert.deepEqual(frames, ['one', 'two']);
  });

  it('close a connection that begins with what is not genuine, and hear no more of it', async () => {
    await listen();
    const stranger = dial();
    stranger.write(Buffer.concat(['junk', 'more', 'more'].map((text) => frame(Buffer.from(text)))));
    await closed(stranger);
    assert.deepEqual(frames, ['junk']);
    assert.equal(counted('unprovenConnection'), 1);
    const member = dial();
    for (const text of ['one', 'junk', 'two']) await send(member, text);
    assert.equal(counted('unprovenConnection'), 1, 'who has proved itself may be overtaken');
  });

  it('close a connection that proves nothing in time, also while it trickles', async () => {
    await listen({ proofMs: 60 });
    const member = dial();
    await send(member, 'one');
    const stranger = dial();
    stranger.write(frame(Buffer.alloc(1000)).subarray(0, 500));
    await closed(stranger);
    assert.equal(counted('unprovenConnection'), 1);
    await send(member, 'two');
  });

  it('leave memory to those who have proved themselves, whatever strangers claim and send', async () => {
    const incoming = await listen();
    const member = dial();
    await send(member, 'one');
    // As many long frames as unproven connections may have under way, none of them whole, and one more.
    const strangers = Array.from({ length: 3 }, dial);
    for (const stranger of strangers) stranger.write(frame(Buffer.alloc(MAX_FRAME_BYTES)).subarray(0, -1));
    await Promise.race(strangers.map(closed));
    assert.equal(counted('frameMemoryFull'), 1);
    assert.ok(incoming.report().unfinishedBytes <= 2 * MAX_FRAME_BYTES);
    await send(member, Buffer.alloc(MAX_FRAME_BYTES, 1));
    assert.deepEqual(frames, ['one', `${MAX_FRAME_BYTES} bytes`]);
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
