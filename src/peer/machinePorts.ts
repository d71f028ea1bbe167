/**
 * The runtime's ports on a real machine: its clocks, its randomness, Node's event loop.
 */
import type { Network } from '../network/network.ts';
import type { RuntimePorts } from './ports.ts';

/** `clockOffsetMs` rehearses a wall clock that is wrong by so much. */
export function createMachinePorts(network: Network, clockOffsetMs: number): RuntimePorts {
  return {
    now: () => ({ monotonicMs: performance.now(), wallMs: Date.now() + clockOffsetMs }),
    random: Math.random,
    after: (delayMs, callback) => {
      // What is to go on at once lets sockets be read in between, and no more: a timer would idle for a millisecond, and behind an immediate that is
      // unreferenced the loop sleeps until something else happens.
      if (delayMs <= 0) setImmediate(callback);
      else setTimeout(callback, delayMs).unref();
    },
    endOfTurn: (callback) => void setImmediate(callback),
    soon: queueMicrotask,
    transport: network,
  };
}
