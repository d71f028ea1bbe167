/**
 * The wires of the laboratory: one network namespace a host, two cards in each, and the namespace of the switch.
 *
 * `lan` is the card that peers speak over: its other end is a port of the switch. `mgmt` is the service entrance, a bridge of the kernel's:
 * clients come in by it, whatever happens to the LAN, and it reaches a host under its LAN address. Invariant: everything is made inside the
 * network, mount and process namespaces that main.ts has entered, so that all of it is gone with the last process, however that ends.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DERIVED_PORT_DISTANCE } from '../../src/peer/serversFile.ts';

const run = promisify(execFile);

export const SWITCH_NAMESPACE = 'switch';
export const GROUP = { address: '239.195.74.1', port: 7400 } as const;
export const PEER_PORT = 7401;
export const CLIENT_PORT = PEER_PORT - DERIVED_PORT_DISTANCE;
const SERVICE_BRIDGE = 'service';
const COMMAND_TIMEOUT_MS = 15_000;

/** A card on the LAN, with the namespace it is in. */
export interface Card {
  /** The namespace, and the port of the switch. */
  readonly name: string;
  readonly address: string;
  readonly mac: string;
}

export function lanCard(name: string, index: number): Card {
  const number = index + 1;
  return {
    name,
    address: `10.77.0.${number}`,
    mac: `02:4c:41:4e:00:${number.toString(16).padStart(2, '0')}`,
  };
}

/** Runs a program to its end; rejects with what it printed. */
export async function runCommand(command: string, words: readonly string[]): Promise<string> {
  const { stdout } = await run(command, [...words], { timeout: COMMAND_TIMEOUT_MS, maxBuffer: 2 ** 28 });
  return stdout;
}

async function runShell(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  const words = ['sh', '-ec', lines.join('\n')];
  const [command = '', ...rest] =
    namespace === undefined ? words : ['ip', 'netns', 'exec', namespace, ...words];
  await runCommand(command, rest);
}

/** What the service bridge and the namespaces are registered in. Once a process. */
export async function prepareMachine(): Promise<void> {
  await runShell(undefined, [
    'mkdir -p /run/netns',
    'mount -t tmpfs tmpfs /run/netns', // names of this process tree alone
    'ip link set lo up',
    `ip link add ${SERVICE_BRIDGE} type bridge`,
    `ip address add 10.78.0.254/24 dev ${SERVICE_BRIDGE}`,
    `ip link set ${SERVICE_BRIDGE} up`,
  ]);
}

/** No address is ever made up: what a capture shows beyond the configured ones is the peers'. */
const QUIET = [
  'for each in all default; do echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; done',
  'ip link set lo up',
];
/** A checksum or a segment that is left to the card would never be made: the switch is no card. */
const OFFLOADS = 'rx off tx off sg off tso off gso off gro off';

/** Makes the namespaces and wires of all cards. */
export async function wireUp(cards: readonly Card[]): Promise<void> {
  await runShell(undefined, [`ip netns add ${SWITCH_NAMESPACE}`]);
  await runShell(SWITCH_NAMESPACE, QUIET);
  await Promise.all(cards.map((card, index) => plugIn(card, index)));
  // A cable is plugged in some time after it was laid, and until then no peer can find the address of its card.
  for (const { name } of cards)
    await runShell(name, ["until ip -o link show lan | grep -q 'state UP'; do sleep 0.02; done"]);
}

async function plugIn({ name, address, mac }: Card, index: number): Promise<void> {
  const port = portName(index);
  await runShell(undefined, [`ip netns add ${name}`]);
  await runShell(name, QUIET);
  await runShell(undefined, [
    `ip link add ${port} netns ${SWITCH_NAMESPACE} type veth peer name lan netns ${name}`,
    `ip link add service${index} type veth peer name mgmt netns ${name}`,
    `ip link set service${index} master ${SERVICE_BRIDGE} up`,
  ]);
  await runShell(SWITCH_NAMESPACE, [`ip link set ${port} arp off up`, `ethtool -K ${port} ${OFFLOADS}`]);
  await runShell(name, [
    `ip link set lan address ${mac}`,
    `ethtool -K lan ${OFFLOADS}`,
    `ip address add ${address}/24 dev lan`,
    `ip address add ${serviceAddress(index)}/24 dev mgmt`,
    'ip link set lan up',
    'ip link set mgmt up',
  ]);
  await runShell(undefined, [`ip route replace ${address}/32 via ${serviceAddress(index)}`]);
}

export async function takeDown(cards: readonly Card[]): Promise<void> {
  // A namespace goes some time after its name; the next laboratory wants these names at once.
  for (const [index, { name }] of cards.entries())
    await runShell(undefined, [`ip link del service${index}`, `ip netns del ${name}`]);
  await runShell(undefined, [`ip netns del ${SWITCH_NAMESPACE}`]);
}

/** The interface of the switch that a card's cable ends in. */
export function portName(index: number): string {
  return `port${index}`;
}

function serviceAddress(index: number): string {
  return `10.78.0.${index + 1}`;
}
