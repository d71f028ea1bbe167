/**
 * A stranger on the LAN (issue 6): nothing that it sends is taken, all of it is counted by reason, and hosts go on at their pace while it floods one of them.
 *
 * Owns the order, and the comparison with a flood that nobody has to look at; single datagrams are strangerAttacks.ts's, connections strangerConnections.ts's. Invariant:
 * the two floods are alike but for the port, take turns, and are measured by the same clients.
 */
import { readFile } from 'node:fs/promises';
import { openConnection } from '../../src/cli/connection.ts';
import type { PartResult } from '../bench/report.ts';
import { formatCount, formatDecimal } from '../bench/statistics.ts';
import type { Host } from './host.ts';
import type { Laboratory } from './laboratory.ts';
import { PEER_PORT } from './namespaces.ts';
import { growthOf, sumOf, typeRefusals, type Refusals } from './refusals.ts';
import { describe, runAttacks, targetOf } from './strangerAttacks.ts';
import { runConnections } from './strangerConnections.ts';
import { StrangerControl } from './strangerControl.ts';

/** A port that nobody listens on. */
const UNUSED_PORT = 9_999;
/** What a switch with any sense lets one card send. */
const STRANGER_BYTES_PER_SECOND = 4_000_000;
const FLOOD_PER_SECOND = 2_500;
/** Which port each window of the flood goes to: pairs in turn, so that what drifts hits both alike. */
const TURNS = ['used', 'unused', 'unused', 'used', 'used', 'unused'] as const;
const CLIENTS_PER_HOST = 8;
const KEYS = 1_000;
const VALUE = 'v'.repeat(100);
const THROUGHPUT_BOUND = 0.8;
/** Of windows too short to be compared, seconds: they differ by a third with nothing changed (0.73 to 1.12), and show a collapse alone. */
const SHORT_WINDOW_S = 5;
const COLLAPSE_BOUND = 0.5;
const COUNTED_BOUND = 0.99;
const MEMORY_BOUND = 1.25;

export interface StrangerOptions {
  /** At rest, with a card that is nobody's. */
  readonly laboratory: Laboratory;
  readonly seed: number;
  readonly isShort: boolean;
  /** Resolves when nobody else uses the machine on our behalf: a comparison of paces waits for it. */
  readonly awaitQuiet: () => Promise<void>;
  readonly note: (text: string) => void;
}

export async function runStrangerPart(options: StrangerOptions): Promise<PartResult> {
  const { laboratory, seed, isShort, awaitQuiet, note } = options;
  const [card] = laboratory.strangers;
  if (card === undefined) throw new Error('the laboratory has no card for a stranger');
  const stranger = new StrangerControl(card, seed);
  try {
    const times = isShort ? 100 : 1_000;
    const parts = [
      await runAttacks({ laboratory, stranger, times, note }),
      await runConnections({ laboratory, stranger, note }),
    ];
    await laboratory.switch.setRate(STRANGER_BYTES_PER_SECOND, [card.name]);
    await awaitQuiet();
    parts.push(await runFloods(laboratory, stranger, isShort ? 4_000 : 100_000, note));
    return {
      sections: parts.flatMap(({ sections }) => sections),
      gates: parts.flatMap(({ gates }) => gates),
    };
  } finally {
    await stranger.stop();
  }
}

interface Window {
  readonly port: (typeof TURNS)[number];
  readonly writesPerSecond: number;
  readonly seconds: number;
  readonly memoryBytes: number;
}

async function runFloods(
  laboratory: Laboratory,
  stranger: StrangerControl,
  count: number,
  note: (text: string) => void,
): Promise<PartResult> {
  const [victim] = laboratory.hosts;
  if (victim === undefined) throw new Error('no host');
  const flood = async (port: Window['port'], datagrams: number): Promise<Window> => {
    const target = targetOf(victim, port === 'used' ? PEER_PORT : UNUSED_PORT);
    const busy = keepBusy(laboratory.hosts);
    const { tookSeconds: seconds = NaN } = await stranger.flood(target, datagrams, FLOOD_PER_SECOND);
    const writes = await busy.stop();
    return { port, seconds, writesPerSecond: writes / seconds, memoryBytes: await readMemory(victim) };
  };
  note('clients without a flood, to warm up');
  await flood('unused', count / 2);
  const before = await typeRefusals(laboratory);
  const windows: Window[] = [];
  for (const port of TURNS) {
    note(
      `flood of the ${port} port: ${formatCount(count)} datagrams at ${formatCount(FLOOD_PER_SECOND)} a second`,
    );
    windows.push(await flood(port, count));
  }
  const dropped = growthOf(before, await typeRefusals(laboratory));
  return judgeFloods(windows, count * TURNS.filter((port) => port === 'used').length, dropped);
}

/** Clients of all hosts, each with its next write when the last one is answered. `stop` resolves with how many were. */
function keepBusy(hosts: readonly Host[]): { readonly stop: () => Promise<number> } {
  let isStopped = false;
  let writes = 0;
  const run = async (host: Host, number: number): Promise<void> => {
    const connection = await openConnection(host.clients);
    try {
      for (let at = number; !isStopped; at += CLIENTS_PER_HOST) {
        await connection.request(['SET', `${host.id}:${at % KEYS}`, VALUE]);
        writes += 1;
      }
    } finally {
      connection.close();
    }
  };
  const clients = hosts.flatMap((host) =>
    Array.from({ length: CLIENTS_PER_HOST }, (_, number) => run(host, number)),
  );
  const running = Promise.all(clients);
  running.catch(() => undefined); // judged at the stop
  return {
    stop: async () => {
      isStopped = true;
      await running;
      return writes;
    },
  };
}

/** Memory of its own, bytes: pages of the store that are mapped come and go. */
async function readMemory({ processId }: Host): Promise<number> {
  const text = await readFile(`/proc/${processId}/status`, 'latin1');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(text)?.[1] ?? NaN) * 1024;
}

function judgeFloods(windows: readonly Window[], sent: number, dropped: Refusals): PartResult {
  const of = (port: Window['port']): readonly Window[] => windows.filter((window) => window.port === port);
  const pace = (port: Window['port']): number =>
    of(port).reduce((sum, one) => sum + one.writesPerSecond, 0) / of(port).length;
  const isBrief = windows.every(({ seconds }) => seconds < SHORT_WINDOW_S);
  const highest = (port: Window['port']): number =>
    Math.max(...of(port).map(({ memoryBytes }) => memoryBytes));
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  return {
    sections: [
      {
        title: 'A flood of one host, and of a port of it that nobody listens on',
        columns: ['port', 'seconds', 'writes/s, all hosts', 'memory of the flooded'],
        rows: windows.map((window) => [
          window.port,
          formatDecimal(window.seconds),
          formatCount(window.writesPerSecond),
          mebibytes(window.memoryBytes),
        ]),
        notes: [`dropped of ${formatCount(sent)}: ${describe(dropped)}`],
      },
    ],
    gates: [
      {
        name: 'stranger: writes/s under a flood, against the same flood of an unused port',
        value: pace('used') / pace('unused'),
        bound: { kind: 'atLeast', value: isBrief ? COLLAPSE_BOUND : THROUGHPUT_BOUND },
        sides: `${formatCount(pace('used'))} / ${formatCount(pace('unused'))}`,
      },
      {
        name: 'stranger: memory under the flood, against that of the same time without',
        value: highest('used') / highest('unused'),
        bound: { kind: 'atMost', value: MEMORY_BOUND },
        sides: `${mebibytes(highest('used'))} / ${mebibytes(highest('unused'))}`,
      },
      {
        name: 'stranger: datagrams of the flood that are counted by reason',
        value: sumOf(dropped) / sent,
        bound: { kind: 'atLeast', value: COUNTED_BOUND },
        sides: `${formatCount(sumOf(dropped))} of ${formatCount(sent)}`,
      },
    ],
  };
}
