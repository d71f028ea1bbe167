/**
 * Clients that mean harm, or are broken, over real sockets: the server answers or closes, counts, and goes on.
 */
import { ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { allCommands } from '../../src/server/commandTable.ts';
import { createMapBackend } from './mapBackend.ts';
import { createRandom, mutate } from './mutation.ts';
import { encode, openRawClient } from './rawClient.ts';

describe('hostile clients', () => {
  it('200 connections of odd and damaged frames of every command leave the server answering and its memory bounded', async () => {
    const backend = createMapBackend();
    backend.write('k' as Key, Buffer.from('v'));
    const server = await startRedisServer({ backend, host: '127.0.0.1', port: 0 });
    const random = createRandom(4711);
    const words = [
      'k',
      '0',
      '3',
      'MATCH',
      'COUNT',
      '*',
      '[a-',
      '',
      '\0\r\n',
      'committed',
      'on',
      '99999999999',
    ];
    const seeds: Buffer[] = [];
    for (const command of allCommands) {
      if (command.name === 'quit') continue;
      for (const { name } of [command, ...(command.subcommands ?? [])]) {
        for (let count = 0; count < 5; count += 1) {
          const more = Array.from({ length: count }, () => words[random(words.length)] ?? '');
          seeds.push(encode(...name.split('|'), ...more), Buffer.from(`${[name, ...more].join(' ')}\r\n`));
        }
      }
    }
    const heapBefore = process.memoryUsage().heapUsed;
    let closed = 0;
    for (let round = 0; round < 200; round += 1) {
      const client = openRawClient(server.port);
      for (let frame = 0; frame < 100; frame += 1) {
        const seed = seeds[random(seeds.length)] ?? Buffer.alloc(0);
        client.send(random(10) === 0 ? mutate(seed, random) : seed);
      }
      client.endHalf();
      await client.waitForClose();
      closed += 1;
    }
    const probe = openRawClient(server.port);
    await probe.ask('PING\r\n', '+PONG\r\n');
    probe.destroy();
    await server.close();
    const { counters } = server;
    ok(
      counters.protocolErrors > 20,
      `only ${counters.protocolErrors} protocol errors in ${closed} connections`,
    );
    ok(counters.commandsProcessed > 1000 && counters.commandsRefused > 100);
    ok(process.memoryUsage().heapUsed - heapBefore < 200 * 1024 * 1024);
  }).timeout(30_000);
});
