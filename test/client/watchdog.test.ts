/** The watch over whether a peer answers, under a clock of the test's: who is asked, who is left, and who is not judged. */
import assert from 'node:assert/strict';
import { Watchdog } from '../../src/client/watchdog.ts';

const TIMEOUT_MS = 500;
const HEARTBEAT_MS = 200;
/** So often the watchdog looks: a fifth of the heartbeat. */
const LOOK_MS = 40;

describe('the watchdog of a connection', () => {
  let nowMs = 0;
  let pings = 0;
  let hung: number[] = [];
  let watchdog: Watchdog;

  beforeEach(() => {
    [nowMs, pings, hung] = [0, 0, []];
    watchdog = new Watchdog({
      operationTimeoutMs: TIMEOUT_MS,
      heartbeatMs: HEARTBEAT_MS,
      ping: () => {
        pings += 1;
        watchdog.owe(0);
      },
      onHung: (silentMs) => {
        hung.push(silentMs);
        watchdog.stop();
      },
      now: () => nowMs,
    });
  });
  afterEach(() => {
    watchdog.stop();
  });

  /** Looks again and again until so much time has passed, and then lets what it put off happen. */
  async function pass(ms: number): Promise<void> {
    for (const untilMs = nowMs + ms; nowMs < untilMs;) {
      nowMs += LOOK_MS;
      watchdog.look();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  it('asks a peer that owes nothing once in a heartbeat, and not again before it has answered', async () => {
    await pass(HEARTBEAT_MS);
    assert.equal(pings, 1);
    await pass(HEARTBEAT_MS);
    assert.equal(pings, 1);
    watchdog.paid();
    await pass(HEARTBEAT_MS - LOOK_MS);
    assert.equal(pings, 1);
    await pass(LOOK_MS);
    assert.equal(pings, 2);
  });

  it('leaves a peer that owes an answer for longer than it may', async () => {
    watchdog.owe(0);
    await pass(TIMEOUT_MS - LOOK_MS);
    assert.deepEqual(hung, []);
    await pass(2 * LOOK_MS);
    assert.equal(hung.length, 1);
  });

  it('gives what waits for others or a disk its time, and what comes behind it none of that', async () => {
    watchdog.owe(1_000);
    watchdog.owe(0);
    await pass(TIMEOUT_MS + 900);
    watchdog.paid();
    await pass(TIMEOUT_MS - LOOK_MS);
    assert.deepEqual(hung, []);
    await pass(2 * LOOK_MS);
    assert.equal(hung.length, 1);
  });

  it('holds any answer for a sign of life', async () => {
    watchdog.owe(0);
    for (let answer = 0; answer < 5; answer += 1) {
      await pass(TIMEOUT_MS - LOOK_MS);
      watchdog.heard();
    }
    assert.deepEqual(hung, []);
  });

  it('judges nobody for the time in which this process stood still', async () => {
    watchdog.owe(0);
    nowMs += 10 * TIMEOUT_MS;
    await pass(LOOK_MS);
    assert.deepEqual(hung, []);
    await pass(TIMEOUT_MS + LOOK_MS);
    assert.equal(hung.length, 1);
  });

  it('reads what has arrived before it judges', async () => {
    watchdog.owe(0);
    await pass(TIMEOUT_MS - LOOK_MS);
    nowMs += 2 * LOOK_MS;
    watchdog.look();
    watchdog.paid(); // it was in the socket
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(hung, []);
  });
});
