/**
 * An example for `toposphere/simulator`: a shop whose tills write orders on whatever peer is near, through any fault.
 *
 * The workload writes an order a second on each peer, each under a key of its own. The checker says what the shop relies on: an
 * order that was acknowledged as durable is on every peer when the shop closes. Run with mocha (`npm run test:unit` does);
 * in a project of your own, import from 'toposphere/simulator'.
 */
import { BrokenInvariant, itSimulates } from '../../src/simulator/index.ts';
import type { Checker, World } from '../../src/simulator/index.ts';

const MINUTES = 0.5;

function placeOrders(world: World): void {
  for (const peer of world.ids) {
    for (let second = 1; second < MINUTES * 60; second += 1) {
      world.at(second * 1000, () => {
        world.write(peer, `order/${peer}/${second}`, 'one coffee', { level: 'durable' });
      });
    }
  }
}

function everyOrderIsKept(): Checker {
  const acknowledged = new Set<string>();
  return {
    onAcknowledged: (_world, _peer, { key }) => void acknowledged.add(key),
    atRest: (world) => {
      for (const key of acknowledged)
        for (const peer of world.ids)
          if (world.read(peer, key) === undefined)
            throw new BrokenInvariant('orders', `${key} is not at ${peer}`);
    },
  };
}

describe('a shop on three peers', () => {
  itSimulates(it, 'loses no order', {
    seeds: 5,
    servers: 3,
    minutes: MINUTES,
    faults: ['links', 'partitions', 'crashes', 'clocks'],
    hasOwnClientsOnly: true,
    workload: placeOrders,
    checkers: () => [everyOrderIsKept()],
    shrink: true,
  });
});
