/**
 * Whether somebody listens at a TCP address: connects, says nothing, hangs up.
 *
 * Owns the patience and the three answers. What an answer means for a peer is the asker's. Keeps: a probe ends in bounded time and never throws.
 */
import { dialTcp, errorCode } from './tcp.ts';

/** open: accepted. refused: the machine is there, and nobody listens. silent: nothing came back. Else the system's own code, such as EHOSTUNREACH. */
export type Reach = string;

/** Milliseconds that an address is given: well above a LAN's round trip, a busy machine included. */
const PROBE_TIMEOUT_MS = 1500;

export function probeTcp(
  address: { readonly host: string; readonly port: number },
  timeoutMs = PROBE_TIMEOUT_MS,
): Promise<Reach> {
  return new Promise((resolve) => {
    const socket = dialTcp(address);
    const timer = setTimeout(() => {
      end('silent');
    }, timeoutMs);
    const end = (reach: Reach): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reach);
    };
    socket.once('connect', () => {
      end('open');
    });
    socket.once('error', (error) => {
      const code = errorCode(error);
      end(code === 'ECONNREFUSED' ? 'refused' : code === 'ETIMEDOUT' ? 'silent' : code);
    });
  });
}
