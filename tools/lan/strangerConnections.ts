/**
 * Connections of a stranger, to the port of the peers and to that of Redis clients: nonsense, halves of something, and what only a client with the password may say.
 *
 * Owns the kinds and the verdicts. Invariant: all connections of a kind are open at once, so that what a peer holds of them is at its highest when it is
 * asked; the peers' own connections are among those that are held, and have to survive.
 */
import { waitUntil } from '../bench/peers.ts';
import type { PartResult } from '../bench/report.ts';
import { formatCount } from '../bench/statistics.ts';
import { MAX_INCOMING_CONNECTIONS } from '../../src/network/incomingStreams.ts';
import { MAX_FRAME_BYTES } from '../../src/network/frames.ts';
import { encodeRequest } from '../../src/cli/connection.ts';
import type { Host } from './host.ts';
import type { Laboratory } from './laboratory.ts';
import { CLIENT_PORT, PEER_PORT } from './namespaces.ts';
import { askRefusals, growthOf, sumOf, type Refusals } from './refusals.ts';
import { describe, takeStock, targetOf } from './strangerAttacks.ts';
import { PLANTED, type Opening, type StrangerControl } from './strangerControl.ts';

/** More than a peer holds of its own kind. */
const CONNECTIONS = MAX_INCOMING_CONNECTIONS + 44;
/** Of rubbish a few begin like the half of a frame that could be. */
const COUNTED_BOUND = 0.95;
const COUNT_LIMIT_MS = 3_000;
const CARRIED_LIMIT_MS = 10_000;
/** A value that goes from peer to peer over TCP. */
const LONG_VALUE = 'long '.repeat(20_000);

interface Kind {
  readonly name: string;
  readonly port: number;
  readonly how: Opening;
  readonly payload?: Uint8Array;
  /** Nothing in it is wrong yet: held within bounds, and no more is asked. */
  readonly isHalf?: boolean;
}

const length = (bytes: number): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(bytes);
  return header;
};

const KINDS: readonly Kind[] = [
  { name: 'rubbish to peers', port: PEER_PORT, how: 'rubbish' },
  { name: 'a frame of 4 GiB', port: PEER_PORT, how: 'said', payload: length(0xffff_ffff) },
  { name: 'recorded datagrams as frames', port: PEER_PORT, how: 'replayed' },
  {
    name: 'half of a long frame',
    port: PEER_PORT,
    how: 'said',
    payload: Buffer.concat([length(MAX_FRAME_BYTES), Buffer.alloc(1_000)]),
    isHalf: true,
  },
  { name: 'silence to peers', port: PEER_PORT, how: 'said', payload: Buffer.alloc(0), isHalf: true },
  { name: 'rubbish to clients’ port', port: CLIENT_PORT, how: 'rubbish', payload: Buffer.from('\r\n') },
  { name: 'HTTP', port: CLIENT_PORT, how: 'said', payload: Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n') },
  {
    name: 'a million words',
    port: CLIENT_PORT,
    how: 'said',
    payload: Buffer.from('*1048576\r\n$3\r\nSET\r\n'),
  },
  {
    name: 'a write without the password',
    port: CLIENT_PORT,
    how: 'said',
    payload: encodeRequest(['SET', PLANTED, 'x']),
  },
  {
    name: 'an order without the password',
    port: CLIENT_PORT,
    how: 'said',
    payload: encodeRequest(['TOPOSPHERE', 'FORGET', 'beta', 'YES']),
  },
  {
    name: 'half of a password',
    port: CLIENT_PORT,
    how: 'said',
    payload: Buffer.from('*2\r\n$4\r\nAUTH\r\n$16000\r\nx'),
    isHalf: true,
  },
];

interface Row {
  readonly kind: Kind;
  readonly opened: number;
  readonly held: number;
  readonly unfinishedBytes: number;
  readonly closed: number;
  readonly answeredBytes: number;
  readonly refusals: Refusals;
}

export interface ConnectionOptions {
  readonly laboratory: Laboratory;
  readonly stranger: StrangerControl;
  readonly note: (text: string) => void;
}

export async function runConnections({ laboratory, stranger, note }: ConnectionOptions): Promise<PartResult> {
  const { hosts } = laboratory;
  const before = await takeStock(hosts);
  const rows: Row[] = [];
  for (const kind of KINDS) {
    note(`connections: ${kind.name}`);
    rows.push(await open(kind, laboratory, stranger));
  }
  const after = await takeStock(hosts);
  // The last ones are let go by now; the peers' own connections carry what they carried before.
  const isCarried = await carries(hosts);
  return judge(rows, before === after ? undefined : `${before} became ${after}`, isCarried);
}

async function open(kind: Kind, laboratory: Laboratory, stranger: StrangerControl): Promise<Row> {
  const [victim] = laboratory.hosts;
  if (victim === undefined) throw new Error('no host');
  const before = await askRefusals(laboratory);
  const { sent } = await stranger.connect(kind.how, targetOf(victim, kind.port), CONNECTIONS, kind.payload);
  const opened = Object.values(sent).reduce((sum, count) => sum + count, 0);
  let refusals = before;
  const isCounted = async (): Promise<boolean> => {
    refusals = growthOf(before, await askRefusals(laboratory));
    return kind.isHalf === true || sumOf(refusals) >= opened;
  };
  await waitUntil(isCounted, COUNT_LIMIT_MS);
  const { incoming } = (await victim.status()).network.streams;
  const { closed = 0, answeredBytes = 0 } = await stranger.letGo();
  const { connections: held, unfinishedBytes } = incoming;
  return { kind, opened, held, unfinishedBytes, closed, answeredBytes, refusals };
}

/** Whether a value that goes over TCP comes to all. */
async function carries(hosts: readonly Host[]): Promise<boolean> {
  await hosts[0]?.ask('SET', 'long', LONG_VALUE);
  const isThere = async (): Promise<boolean> => {
    const found = await Promise.all(hosts.map((host) => host.values(['long'])));
    return found.every(([value]) => value?.length === LONG_VALUE.length);
  };
  return waitUntil(isThere, CARRIED_LIMIT_MS);
}

function judge(rows: readonly Row[], change: string | undefined, isCarried: boolean): PartResult {
  const wrong = rows.filter(({ kind }) => kind.isHalf !== true);
  const counted = wrong.map(({ refusals, opened }) => Math.min(1, sumOf(refusals) / opened));
  const ofPeers = rows.filter(({ kind }) => kind.port === PEER_PORT);
  const answered = ofPeers.reduce((sum, { answeredBytes }) => sum + answeredBytes, 0);
  const held = Math.max(...ofPeers.map((row) => row.held));
  const unfinished = Math.max(...ofPeers.map((row) => row.unfinishedBytes));
  const atMost = (value: number) => ({ kind: 'atMost', value }) as const;
  return {
    sections: [
      {
        title: `${CONNECTIONS} connections at once of a stranger to one host`,
        columns: ['what', 'closed by the host', 'answered, bytes', 'unfinished, bytes', 'counted as'],
        rows: rows.map(({ kind, closed, answeredBytes, unfinishedBytes, refusals }) => [
          kind.name,
          formatCount(closed),
          formatCount(answeredBytes),
          formatCount(unfinishedBytes),
          describe(refusals),
        ]),
        notes: [],
      },
    ],
    gates: [
      {
        name: 'stranger: changes at hosts, of all connections',
        value: change === undefined && isCarried ? 0 : 1,
        bound: atMost(0),
        sides: change ?? (isCarried ? 'a long value came to all by TCP' : 'a long value did not come to all'),
      },
      {
        name: 'stranger: connections that status counts by reason, of the kind of which the fewest are',
        value: Math.min(...counted),
        bound: { kind: 'atLeast', value: COUNTED_BOUND },
        sides: `${wrong.length} kinds of ${CONNECTIONS} each`,
      },
      {
        name: 'stranger: connections that the port of peers holds at once',
        value: held,
        bound: atMost(MAX_INCOMING_CONNECTIONS),
        sides: `${CONNECTIONS} were opened`,
      },
      {
        name: 'stranger: what halves of frames take, of what they may',
        value: unfinished / (2 * MAX_FRAME_BYTES),
        bound: atMost(1),
        sides: `${formatCount(unfinished)} bytes`,
      },
      {
        name: 'stranger: bytes that the port of peers has answered',
        value: answered,
        bound: atMost(0),
        sides: `to ${formatCount(ofPeers.reduce((sum, row) => sum + row.opened, 0))} connections`,
      },
    ],
  };
}
