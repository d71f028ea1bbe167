/**
 * Captures of cables, by dumpcap, and what tshark finds in them.
 *
 * Owns the two programs and the question whether a frame is between those that servers.txt has; what is captured when, and what a figure means, is the
 * parts'. Invariant: a capture that was started sees every frame from then on.
 */
import { waitUntil } from '../bench/peers.ts';
import { GROUP, PEER_PORT, runCommand } from './namespaces.ts';
import { Program } from './program.ts';

const START_TIMEOUT_MS = 15_000;
export const [ARP, ICMP, IGMP, TCP, UDP] = ['0x0806', '1', '2', '6', '17'] as const;

/** Undefined when captures can be made here. */
export async function whyNoCapture(): Promise<string | undefined> {
  const programs = await runCommand('sh', ['-c', 'command -v dumpcap; command -v tshark; true']);
  return programs.trim().split('\n').length < 2 ? 'tshark is missing' : undefined;
}

/** By card; where a filter is given, only what it lets through (in tcpdump's language). */
export async function startCapture(
  namespace: string,
  cards: readonly { readonly name: string; readonly filter?: string }[],
  path: string,
): Promise<Program> {
  const words = cards.flatMap(({ name, filter }) => [
    '-i',
    name,
    ...(filter === undefined ? [] : ['-f', filter]),
  ]);
  const capture = new Program('dumpcap', namespace, ['dumpcap', '-q', ...words, '-w', path]);
  const isRunning = (): Promise<boolean> =>
    Promise.resolve(capture.errorLines.some((line) => line.startsWith('File: ')));
  if (!(await waitUntil(isRunning, START_TIMEOUT_MS))) throw capture.failure();
  return capture;
}

export async function countFrames(path: string, filter: string): Promise<number> {
  const text = await runCommand('tshark', ['-r', path, '-Y', filter, '-T', 'fields', '-e', 'frame.number']);
  return text.split('\n').filter((line) => line !== '').length;
}

/** What `readEnds` reads. */
const FIELDS = [
  'eth.type',
  'ip.proto',
  'ip.src',
  'ip.dst',
  'udp.srcport',
  'udp.dstport',
  'tcp.srcport',
  'tcp.dstport',
];

/** Every frame as one line: the fields above and then `more`, with a bar between. */
export async function listFrames(path: string, more: readonly string[] = []): Promise<readonly string[]> {
  const fields = [...FIELDS, ...more].flatMap((field) => ['-e', field]);
  const words = ['-r', path, '-T', 'fields', '-E', 'separator=|', '-E', 'occurrence=f', ...fields];
  const text = await runCommand('tshark', words);
  return text.split('\n').filter((line) => line !== '');
}

/** Who says something to whom, as tshark words it; empty where a frame has no such field. */
export interface FrameEnds {
  readonly type: string;
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  readonly udp: readonly [from: string, to: string];
  readonly tcp: readonly [from: string, to: string];
}

export function readEnds(frame: string): FrameEnds {
  const [type = '', protocol = '', from = '', to = '', udpFrom = '', udpTo = '', tcpFrom = '', tcpTo = ''] =
    frame.split('|');
  return { type, protocol, from, to, udp: [udpFrom, udpTo], tcp: [tcpFrom, tcpTo] };
}

/** Between two of servers.txt, or from one of them to the group; ARP and IGMP are the system's own. */
export function isConfigured(frame: string, addresses: readonly string[]): boolean {
  const { type, protocol, from, to, udp, tcp } = readEnds(frame);
  if (type === ARP) return true;
  if (!addresses.includes(from)) return false;
  if (protocol === IGMP) return true;
  const port = String(PEER_PORT);
  if (protocol === TCP) return addresses.includes(to) && tcp.includes(port);
  if (protocol !== UDP || udp[0] !== port) return false;
  return addresses.includes(to) ? udp[1] === port : to === GROUP.address && udp[1] === String(GROUP.port);
}
