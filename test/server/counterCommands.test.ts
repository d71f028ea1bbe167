/** INCR and its like as clients meet them: replies, refusals, and what they leave; over a map (counting itself is core's). */
import { deepEqual, equal } from 'node:assert/strict';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import { openRawClient } from './rawClient.ts';

describe('counter commands', () => {
  let server: RedisServer;

  beforeEach(async () => {
    server = await startRedisServer({ backend: createMapBackend(), host: '127.0.0.1', port: 0 });
  });

  afterEach(async () => {
    await server.close();
  });

  async function answers(...lines: string[]): Promise<string[]> {
    const client = openRawClient(server.port);
    client.send(Buffer.from([...lines, 'QUIT', ''].join('\r\n')));
    const text = await client.waitForClose();
    return text.split('\r\n').slice(0, -2);
  }

  it('count whole numbers, to the last of 64 bits', async () => {
    deepEqual(await answers('INCR n', 'INCRBY n 41', 'DECR n', 'DECRBY n -9', 'GET n'), [
      ':1',
      ':42',
      ':41',
      ':50',
      '$2',
      '50',
    ]);
    deepEqual(await answers('SET n 9223372036854775806', 'INCR n', 'INCR n', 'DECRBY n 1'), [
      '+OK',
      ':9223372036854775807',
      '-ERR increment or decrement would overflow',
      ':9223372036854775806',
    ]);
  });

  it('add fractions, and answer all places', async () => {
    deepEqual(await answers('INCRBYFLOAT f 0.1', 'INCRBYFLOAT f 2e-1', 'INCRBYFLOAT f -0.3'), [
      '$3',
      '0.1',
      '$3',
      '0.3',
      '$1',
      '0',
    ]);
  });

  it('refuse in the words of redis', async () => {
    const refused = await answers(
      ...['SET t ten', 'INCR t', 'INCRBYFLOAT t 1', 'INCRBYFLOAT t inf', 'INCRBY n 1.5', 'DECRBY n 01'],
      ...[
        'DECRBY n -9223372036854775808',
        'INCRBYFLOAT n x',
        'INCRBYFLOAT n inf',
        'INCRBYFLOAT n nan',
        'INCR',
      ],
      ...['INCRBY n', 'EXISTS n'],
    );
    deepEqual(refused.slice(1), [
      '-ERR value is not an integer or out of range',
      '-ERR value is not a valid float',
      '-ERR value is not a valid float',
      '-ERR value is not an integer or out of range',
      '-ERR value is not an integer or out of range',
      '-ERR decrement would overflow',
      '-ERR value is not a valid float',
      '-ERR increment would produce NaN or Infinity',
      '-ERR value is not a valid float',
      "-ERR wrong number of arguments for 'incr' command",
      "-ERR wrong number of arguments for 'incrby' command",
      ':0',
    ]);
  });

  it('answer a request id with every digit again', async () => {
    const [, first] = await answers('SET n 9007199254740993', 'TOPOSPHERE DO ID x RUN INCRBY n 2');
    equal(first, ':9007199254740995');
    deepEqual(await answers('TOPOSPHERE DO ID x AGAIN RUN INCRBY n 2', 'GET n'), [
      first,
      '$16',
      '9007199254740995',
    ]);
  });
});
