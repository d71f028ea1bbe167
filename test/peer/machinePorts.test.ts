/** The runtime's ports on a real machine. */
import assert from 'node:assert/strict';
import { createMachinePorts } from '../../src/peer/machinePorts.ts';
import type { Network } from '../../src/network/network.ts';

describe('the ports of a machine', () => {
  it('go on at once where nothing else happens', async () => {
    const ports = createMachinePorts({} as Network, 0);
    // Asleep, the loop would be woken by whatever comes next: here by the end of the test's time.
    for (let step = 0; step < 1_000; step++)
      await new Promise<void>((resolve) => {
        ports.after(0, resolve);
      });
  });

  it('have a wall clock that is wrong by as much as is asked for', () => {
    const { wallMs } = createMachinePorts({} as Network, -3_600_000).now();
    assert.ok(Math.abs(Date.now() - 3_600_000 - wallMs) < 60_000);
  });
});
