/** Buffered writes: when they are sent, what is read meanwhile, what is kept when nobody takes them, and what the application hears. */
import assert from 'node:assert/strict';
import { ToposphereError, type ErrorCode } from '../../src/core/errors.ts';
import { WriteBuffer } from '../../src/client/writeBuffer.ts';
import type { BufferedWrite, BufferFailure } from '../../src/client/writeBuffer.ts';

interface Sent {
  readonly text: string;
  readonly settle: (error?: ToposphereError) => void;
}

describe('the write buffer', () => {
  let sent: Sent[] = [];
  let failures: BufferFailure[] = [];

  beforeEach(() => {
    [sent, failures] = [[], []];
  });

  const create = (bounds: { maxWrites?: number; maxBytes?: number; maxDelayMs?: number }): WriteBuffer =>
    new WriteBuffer({
      maxWrites: 100,
      maxBytes: 1_000,
      maxDelayMs: 60_000,
      deadlineMs: 30,
      ...bounds,
      send: ({ key, value }) =>
        new Promise((resolve, reject) => {
          sent.push({
            text: `${key.toString()}=${value.toString()}`,
            settle: (error) => {
              if (error === undefined) resolve();
              else reject(error);
            },
          });
        }),
      onFailed: (failure) => failures.push(failure),
    });

  const write = (key: string, value: string, expiresAtMs?: number): [string, BufferedWrite] => [
    key,
    { key: Buffer.from(key), value: Buffer.from(value), expiresAtMs },
  ];

  const error = (code: ErrorCode, changed: boolean | 'unknown' = false): ToposphereError =>
    new ToposphereError(code, 'as the test says', { changed });

  /** Settles what was sent: each with the error of its key, if there is one. */
  function answer(errors: Readonly<Record<string, ToposphereError>> = {}): void {
    for (const { text, settle } of sent.splice(0)) settle(errors[text.split('=')[0] ?? '']);
  }

  it('sends nothing before a bound is reached, then all at once, of each key the last', async () => {
    const buffer = create({ maxWrites: 3 });
    await buffer.set(...write('a', '1'));
    await buffer.set(...write('b', '1'));
    await buffer.set(...write('a', '2'));
    assert.deepEqual(sent, []);
    await buffer.set(...write('c', '1'));
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['b=1', 'a=2', 'c=1'],
    );
    answer();
    await buffer.flush();
  });

  it('sends when it holds so many bytes, or has held them for so long', async () => {
    const buffer = create({ maxBytes: 10 });
    await buffer.set(...write('a', '123456789'));
    assert.equal(sent.length, 1);
    answer();
    const soon = create({ maxDelayMs: 1 });
    await soon.set(...write('a', '1'));
    assert.equal(sent.length, 0);
    while (sent.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    answer();
  });

  it('shows what it holds, gathered or sent, until the peers have it', async () => {
    const buffer = create({});
    await buffer.set(...write('a', '1'));
    assert.equal(buffer.find('a')?.value?.toString(), '1');
    const flushed = buffer.flush();
    assert.equal(buffer.find('a')?.value?.toString(), '1');
    await buffer.set(...write('a', '2'));
    assert.equal(buffer.find('a')?.value?.toString(), '2');
    answer();
    await flushed;
    assert.equal(buffer.find('a')?.value?.toString(), '2', 'what was gathered meanwhile is held yet');
    const again = buffer.flush();
    answer();
    await again;
    assert.equal(buffer.find('a'), undefined);
    await buffer.set(...write('b', '1', performance.now() - 1));
    assert.deepEqual(buffer.find('b'), { value: undefined });
  });

  it('keeps what changed nothing, but for keys that were written since, and says why at a flush', async () => {
    const buffer = create({});
    await buffer.set(...write('a', '1'));
    await buffer.set(...write('b', '1'));
    const flushed = buffer.flush();
    await buffer.set(...write('a', '2'));
    answer({ a: error('NO_PEER'), b: error('NO_PEER') });
    await assert.rejects(flushed, { code: 'NO_PEER' });
    assert.deepEqual(failures, []);
    const again = buffer.flush();
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['b=1', 'a=2'],
    );
    answer();
    await again;
  });

  it('tells once of what is in doubt or hopeless, and does not send it again', async () => {
    const buffer = create({});
    for (const key of ['doubt', 'long', 'well']) await buffer.set(...write(key, '1'));
    const flushed = buffer.flush();
    answer({ doubt: error('MAYBE_APPLIED', 'unknown'), long: error('VALUE_TOO_LONG') });
    await assert.rejects(flushed, { code: 'MAYBE_APPLIED' });
    assert.deepEqual(
      failures.map(({ keys }) => keys.map(String)),
      [['doubt', 'long']],
    );
    await buffer.flush();
    assert.deepEqual(sent, []);
  });

  it('tells of what the session has lost, and keeps its writes', async () => {
    const buffer = create({});
    await buffer.set(...write('a', '1'));
    const flushed = buffer.flush();
    answer({ a: error('LOST_WRITE') });
    await assert.rejects(flushed, { code: 'LOST_WRITE' });
    assert.deepEqual(
      failures.map(({ keys }) => keys),
      [[]],
    );
    const again = buffer.flush();
    answer();
    await again;
  });

  it('makes who writes wait while it is full, and refuses at the deadline', async () => {
    const buffer = create({ maxWrites: 1 });
    await buffer.set(...write('a', '1'));
    await buffer.set(...write('b', '1')); // the first is being sent
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['a=1'],
    );
    const waiting = buffer.set(...write('c', '1'));
    answer();
    while (sent.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['b=1'],
    );
    answer();
    await waiting;
    await buffer.set(...write('d', '1')); // the one before is being sent
    const refused = assert.rejects(buffer.set(...write('e', '1')), { code: 'NO_PEER', message: /full/ });
    for (let isOver = false; !isOver;) {
      answer({ c: error('NO_PEER'), d: error('NO_PEER') });
      isOver = await Promise.race([
        refused.then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 1, false)),
      ]);
    }
    const last = buffer.flush();
    while (sent.length === 0) await new Promise((resolve) => setImmediate(resolve));
    answer();
    await last;
  });

  it('has nothing of a key when what is asked next of it goes by itself', async () => {
    const buffer = create({});
    await buffer.set(...write('a', '1'));
    await buffer.settle(['b']);
    assert.deepEqual(sent, []);
    const settled = buffer.settle(['b', 'a']);
    answer();
    await settled;
    assert.equal(buffer.find('a'), undefined);
    await buffer.set(...write('a', '2'));
    const failed = buffer.settle(['a']);
    answer({ a: error('BEHIND') });
    await assert.rejects(failed, { code: 'BEHIND' });
  });
});
