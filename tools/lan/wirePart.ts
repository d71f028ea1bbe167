/**
 * What a capture of every cable shows (issue 6): one datagram a batch however many hosts there are, nothing readable, nothing to or from anybody else.
 *
 * Owns the captures, by dumpcap and tshark, and what is looked for in them. Invariant: a search that finds nothing is believed only where the same search
 * finds what it must: the batches among the datagrams, the planted text on the card that clients come in by, which is not sealed.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openConnection, type Address } from '../../src/cli/connection.ts';
import type { Gate, PartResult, Section } from '../bench/report.ts';
import { formatCount } from '../bench/statistics.ts';
import { countFrames, isConfigured, listFrames, startCapture, whyNoCapture } from './capture.ts';
import { awaitEqualDigests } from './equality.ts';
import type { Laboratory } from './laboratory.ts';
import { GROUP, PEER_PORT, portName, SWITCH_NAMESPACE } from './namespaces.ts';

const BATCHES = 100;
const KEYS_IN_BATCH = 8;
/** Stands in every key and value that is written. */
const PLAIN = 'readable-by-anybody';
/** A batch's datagram is longer than this, and nothing else that is sent at rest is, bytes. */
const BATCH_BYTES = 700;
/** A value that goes over TCP. */
const LONG_VALUE = PLAIN.repeat(5_000);
/** A batch may have to be repaired where a busy system drops a datagram. */
const DATAGRAMS_BOUND = 1.05;
const REST_LIMIT_MS = 30_000;

export interface WireOptions {
  /** At rest. */
  readonly laboratory: Laboratory;
  readonly note: (text: string) => void;
}

/** What the capture of one laboratory came to. */
interface Captured {
  readonly hosts: number;
  readonly frames: number;
  readonly groupDatagrams: number;
  /** As long as a batch, to one host alone. */
  readonly unicastDatagrams: number;
  readonly readable: { readonly lan: number; readonly clients: number };
  /** Frames of others than the configured, in words. */
  readonly outside: readonly string[];
}

/** The promise that is inside resolves with what was seen; the laboratory is free again before. */
export async function runWirePart(options: WireOptions): Promise<{ readonly result: Promise<PartResult> }> {
  const why = await whyNoCapture();
  if (why !== undefined) {
    const bound = { kind: 'atMost', value: 0 } as const;
    const gate = { name: 'wire', value: NaN, bound, sides: '', why };
    return { result: Promise.resolve({ sections: [], gates: [gate] }) };
  }
  const { laboratory, note } = options;
  const { hosts } = laboratory;
  note(`captures of ${hosts.length} hosts`);
  const [first] = hosts;
  if (first === undefined) throw new Error('no host');
  const lan = join(laboratory.directory, 'lan.pcapng');
  const clients = join(laboratory.directory, 'clients.pcapng');
  const captures = await Promise.all([
    startCapture(
      SWITCH_NAMESPACE,
      hosts.map((_, index) => ({ name: portName(index) })),
      lan,
    ),
    startCapture(first.id, [{ name: 'mgmt' }], clients),
  ]);
  await writeBatches(first.clients);
  await awaitEqualDigests(hosts, REST_LIMIT_MS);
  await Promise.all(captures.map((capture) => capture.stop('SIGINT')));
  const result = examine(
    lan,
    clients,
    hosts.map(({ card }) => card.address),
  ).then((found) => ({ sections: [buildTable(found)], gates: judge(found) }));
  result.catch(() => undefined); // whoever asks for it gets the failure
  return { result };
}

async function examine(lan: string, clients: string, addresses: readonly string[]): Promise<Captured> {
  const [first = ''] = addresses;
  const long = `ip.src==${first} && udp.length>${BATCH_BYTES} && frame.interface_name=="${portName(0)}"`;
  const [frames, groupDatagrams, unicastDatagrams] = await Promise.all([
    listFrames(lan),
    countFrames(lan, `${long} && udp.dstport==${GROUP.port}`),
    countFrames(lan, `${long} && udp.dstport==${PEER_PORT}`),
  ]);
  return {
    hosts: addresses.length,
    frames: frames.length,
    groupDatagrams,
    unicastDatagrams,
    readable: { lan: await countText(lan), clients: await countText(clients) },
    outside: frames.filter((frame) => !isConfigured(frame, addresses)),
  };
}

/** Each batch is one MSET: one turn of the peer. */
async function writeBatches(clients: Address): Promise<void> {
  const connection = await openConnection(clients);
  try {
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const pairs = Array.from({ length: KEYS_IN_BATCH }, (_, at) => [
        `${PLAIN}:${at}`,
        `${PLAIN} ${batch} ${'.'.repeat(60)}`,
      ]);
      await connection.request(['MSET', ...pairs.flat()]);
    }
    await connection.request(['SET', 'long', LONG_VALUE]);
  } finally {
    connection.close();
  }
}

/** How often the planted text stands in a capture. */
async function countText(path: string): Promise<number> {
  const bytes = await readFile(path);
  let count = 0;
  for (let at = bytes.indexOf(PLAIN); at >= 0; at = bytes.indexOf(PLAIN, at + 1)) count += 1;
  return count;
}

function judge({
  hosts,
  frames,
  groupDatagrams,
  unicastDatagrams,
  readable,
  outside,
}: Captured): readonly Gate[] {
  const isSeen = groupDatagrams >= BATCHES;
  const isSearchable = readable.clients >= BATCHES;
  return [
    {
      name: `wire, ${hosts} hosts: datagrams a batch`,
      value: isSeen ? (groupDatagrams + unicastDatagrams) / BATCHES : Number.MAX_VALUE,
      bound: { kind: 'atMost', value: DATAGRAMS_BOUND },
      sides: `${groupDatagrams} to the group and ${unicastDatagrams} to single hosts, of ${BATCHES} batches of ${KEYS_IN_BATCH} keys`,
    },
    {
      name: `wire, ${hosts} hosts: readable keys or values`,
      value: isSearchable ? readable.lan : Number.MAX_VALUE,
      bound: { kind: 'atMost', value: 0 },
      sides: `in ${formatCount(frames)} frames on the LAN; ${formatCount(readable.clients)} where clients of alpha come in`,
    },
    {
      name: `wire, ${hosts} hosts: frames of others than servers.txt has`,
      value: outside.length,
      bound: { kind: 'atMost', value: 0 },
      sides: outside.length === 0 ? `of ${formatCount(frames)}` : outside.slice(0, 5).join('; '),
    },
  ];
}

function buildTable({ hosts, frames, groupDatagrams, unicastDatagrams }: Captured): Section {
  return {
    title: `A capture of every cable while one host takes ${BATCHES} batches and a long value`,
    columns: ['hosts', 'frames, each at both its ends', 'batch-long to the group', 'to single hosts'],
    rows: [[String(hosts), formatCount(frames), formatCount(groupDatagrams), formatCount(unicastDatagrams)]],
    notes: [],
  };
}
