/**
 * A line between a client and a peer that can be cut without either being told: nothing passes, nothing is closed.
 *
 * Owns its connections. What it means to be cut off is the parts'. Invariant: what was given to the line before or while it was cut comes out in order when it is whole again.
 */
import { dialTcp, listenTcp } from '../../src/network/tcp.ts';
import type { Socket } from '../../src/network/tcp.ts';
import { HOST } from './workspace.ts';

export interface PausableLine {
  readonly port: number;
  readonly cut: () => void;
  readonly mend: () => void;
  readonly close: () => Promise<void>;
}

/** To `toPort` of this machine. */
export async function openLine(toPort: number): Promise<PausableLine> {
  const ends = new Set<Socket>();
  let isCut = false;
  const join = (from: Socket, to: Socket): void => {
    ends.add(from);
    from.on('data', (bytes: Buffer) => to.write(bytes));
    from.on('error', () => undefined);
    from.on('close', () => {
      ends.delete(from);
      to.destroy();
    });
    if (isCut) from.pause();
  };
  const listener = await listenTcp({
    host: HOST,
    port: 0,
    onSocket: (client) => {
      const peer = dialTcp({ host: HOST, port: toPort });
      join(client, peer);
      join(peer, client);
    },
  });
  return {
    port: listener.port,
    cut: () => {
      isCut = true;
      for (const end of ends) end.pause();
    },
    mend: () => {
      isCut = false;
      for (const end of ends) end.resume();
    },
    close: async () => {
      for (const end of ends) end.destroy();
      await listener.close();
    },
  };
}
