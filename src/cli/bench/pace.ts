/**
 * When each operation is sent: as soon as there is room (closed loop), or at set times (open loop).
 *
 * Owns the two loops. Invariant of the open one: operation i is due at i / rate seconds after the start, its latency counts from then, and none is left out because an answer is late:
 * a peer that stands still for a second shows as a second of waiting in all that was due meanwhile (no coordinated omission; Tene, How NOT to measure latency).
 */
import type { LatencyHistogram } from '../../client/latency.ts';
import type { LoadClient } from './loadClient.ts';
import type { Metronome } from './metronome.ts';
import type { BenchRequest } from './requests.ts';

export interface Pace {
  /** A client has room. */
  readonly onRoom: (client: LoadClient) => void;
  /** Operations that have been due and not sent, as of now. */
  readonly backlog: () => number;
  readonly stop: () => void;
}

interface PaceOptions {
  readonly clients: readonly LoadClient[];
  readonly nextRequest: () => BenchRequest;
  /** Operations to send, at most; Infinity: no end. */
  readonly operations: number;
}

interface OpenPaceOptions extends PaceOptions {
  readonly ratePerSecond: number;
  /** When the first operation is due. */
  readonly firstMs: number;
  readonly sentLate: LatencyHistogram;
  readonly metronome: Metronome;
}

/** Each client has as many under way as it may. */
export function paceClosed({ nextRequest, operations }: PaceOptions): Pace {
  let left = operations;
  let isStopped = false;
  return {
    onRoom: (client) => {
      if (isStopped) return;
      const nowMs = performance.now();
      while (left > 0 && client.hasRoom) {
        left -= 1;
        client.send(nextRequest(), nowMs, nowMs);
      }
      client.flush();
    },
    backlog: () => 0,
    stop: () => {
      isStopped = true;
    },
  };
}

/** Round the clients that have room, so that none is favoured. */
export function paceOpen(options: OpenPaceOptions): Pace {
  const { clients, nextRequest, firstMs, operations, ratePerSecond, sentLate, metronome } = options;
  const periodMs = 1000 / ratePerSecond;
  let sent = 0;
  let turn = 0;
  let isStopped = false;

  const findRoom = (): LoadClient | undefined => {
    for (let tried = 0; tried < clients.length; tried += 1) {
      turn = (turn + 1) % clients.length;
      if (clients[turn]?.hasRoom === true) return clients[turn];
    }
    return undefined;
  };
  const sendDue = (): void => {
    if (isStopped) return;
    const nowMs = performance.now();
    const touched = new Set<LoadClient>();
    while (sent < operations) {
      const dueMs = firstMs + sent * periodMs;
      if (dueMs > nowMs) break;
      const client = findRoom();
      if (client === undefined) break;
      client.send(nextRequest(), dueMs, nowMs);
      sentLate.record(nowMs - dueMs);
      touched.add(client);
      sent += 1;
    }
    for (const client of touched) client.flush();
  };
  metronome.start(sendDue);
  return {
    onRoom: sendDue,
    backlog: () => {
      sendDue();
      const due = Math.floor((performance.now() - firstMs) / periodMs) + 1;
      return Math.max(0, Math.min(due, operations) - sent);
    },
    stop: () => {
      isStopped = true;
      metronome.stop();
    },
  };
}
