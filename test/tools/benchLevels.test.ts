/**
 * The part of the benchmark that compares levels: what passes for an answer, what goes into which figure, what is held against what.
 *
 * Owns no measurement: that runs by `npm run bench`. Invariant under test: an operation that was not answered as asked never makes a level look faster.
 */
import assert from 'node:assert/strict';
import { listenTcp } from '../../src/network/tcp.ts';
import type { Socket, TcpListener } from '../../src/network/tcp.ts';
import { runEachOnce, runLoop } from '../../tools/bench/closedLoop.ts';
import type { Loop, LoopReply } from '../../tools/bench/closedLoop.ts';
import { buildRows, describeFaults, findWaitFault } from '../../tools/bench/levels.ts';
import type { Case, Run } from '../../tools/bench/levels.ts';

const OK = Buffer.from('OK');
const HOST = '127.0.0.1';

function loopTo(port: number, asks: readonly string[]): Loop {
  const findFault = ([reply]: readonly LoopReply[]): string | undefined =>
    reply instanceof Error ? reply.message : undefined;
  return { port, clients: 2, opening: [], operations: [asks.map((word) => [word])], findFault };
}

function caseOf(title: string, against: string | undefined, runs: readonly Partial<Run>[]): Case {
  const run: Run = {
    operations: 1,
    perSecond: 1,
    p50Ms: 1,
    p99Ms: 2,
    faults: 0,
    fault: undefined,
    processorUs: 3,
  };
  return { title, against, loop: loopTo(0, []), servers: [], runs: runs.map((one) => ({ ...run, ...one })) };
}

describe('clients in a closed loop', () => {
  let server: TcpListener;
  let answer: (socket: Socket) => void;

  beforeEach(async () => {
    server = await listenTcp({
      host: HOST,
      port: 0,
      onSocket: (socket) => {
        socket.on('error', () => undefined);
        socket.on('data', () => {
          answer(socket);
        });
      },
    });
  });

  afterEach(() => server.close());

  it('count what was refused among the latencies and not as throughput', async () => {
    answer = (socket) => socket.write('-UNKNOWN the deadline has passed\r\n');
    const { operations, perSecond, p50Ms, faults, fault } = await runLoop(loopTo(server.port, ['SET']), 20);
    assert.ok(operations >= 2 && faults === operations);
    assert.equal(perSecond, 0);
    assert.ok(p50Ms > 0);
    assert.match(fault ?? '', /^UNKNOWN/);
  });

  it('take an operation for answered when all of its requests are', async () => {
    const pieces = ['+OK\r\n:', '3\r\n'];
    let answered = 0;
    answer = (socket) => {
      answered += 1;
      socket.write(pieces[0] ?? '');
      setImmediate(() => socket.write(pieces[1] ?? ''));
    };
    const seen: (readonly LoopReply[])[] = [];
    const loop = loopTo(server.port, ['SET', 'WAIT']);
    const { operations } = await runLoop(
      {
        ...loop,
        findFault: (replies) => {
          seen.push(replies);
          return undefined;
        },
      },
      20,
    );
    assert.equal(operations, answered);
    assert.ok(seen.every((replies) => replies.length === 2 && replies[1] === 3));
  });

  it('fail the run when a connection breaks, and a fill when it is refused', async () => {
    answer = (socket) => socket.destroy();
    await assert.rejects(runLoop(loopTo(server.port, ['SET']), 20), /closed|ECONNRESET/);
    answer = (socket) => socket.write('-OOM\r\n');
    await assert.rejects(runEachOnce(loopTo(server.port, ['SET'])), /SET was answered: OOM/);
  });
});

describe('levels side by side', () => {
  it('are answered by WAIT when so many replicas are, and not by its OK', () => {
    assert.equal(findWaitFault([OK, 3], 3), undefined);
    assert.equal(findWaitFault([OK, 2], 3), 'WAIT 2');
    assert.match(findWaitFault([OK, new Error('ERR no')], 1) ?? '', /ERR no/);
    assert.match(findWaitFault([new Error('OOM'), 3], 1) ?? '', /OOM/);
  });

  it('have a ratio of medians where the other side was measured, and a dash elsewhere', () => {
    const rows = buildRows([
      caseOf('peers: durable', 'redis: always', [{ perSecond: 10 }, { perSecond: 30 }, { perSecond: 20 }]),
      caseOf('redis: always', undefined, [{ perSecond: 40 }]),
      caseOf('peers: committed', 'redis: everysec', [{}]),
    ]);
    assert.deepEqual(
      rows.map((row) => row.at(-1)),
      ['0.500', '-', '-'],
    );
  });

  it('say which of them was not kept, and why', () => {
    const fault = 'UNKNOWN 1 of 3';
    const cases = [caseOf('kept', undefined, [{}]), caseOf('lost', undefined, [{}, { faults: 2, fault }])];
    assert.deepEqual(describeFaults(cases), [
      'lost: 2 operations were not answered as asked, the first: UNKNOWN 1 of 3',
    ]);
  });
});
