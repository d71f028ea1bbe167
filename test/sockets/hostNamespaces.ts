/**
 * Hosts of their own on one machine: network namespaces on a bridge, with an IPv4 address each.
 *
 * Owns the wires, a capture of all of them, and taking everything down; what runs on a host is the test's (shellHost.ts). Invariant: the names are this
 * process's own, so that runs side by side do not meet, and no frame leaves the bridge.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { listFrames, startCapture, whyNoCapture } from '../../tools/lan/capture.ts';

const run = promisify(execFile);
const PREFIX = `tl-disc-${process.pid}-`;
const SWITCH = `${PREFIX}switch`;
const WIRING_TIMEOUT_MS = 15_000;

export function addressOf(index: number): string {
  return `10.0.0.${index + 1}`;
}

/** What comes before the words of a program that is to run on a host. */
export function onHost(index: number): readonly string[] {
  return ['ip', 'netns', 'exec', `${PREFIX}${index}`];
}

/** Why there can be no such hosts here; undefined when there are now `count` of them, each with its cable plugged in. */
export async function wireUp(count: number): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  try {
    await lay(count);
    return undefined;
  } catch (error) {
    await takeDown(count);
    return String(error);
  }
}

async function lay(count: number): Promise<void> {
  const ip = (words: string): Promise<unknown> => run('ip', words.split(' '));
  const isolate = (name: string): Promise<unknown> =>
    run('ip', ['netns', 'exec', name, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6']);
  await ip(`netns add ${SWITCH}`);
  await isolate(SWITCH);
  await ip(`-n ${SWITCH} link add lan type bridge mcast_snooping 0`);
  await ip(`-n ${SWITCH} link set lan up`);
  for (let index = 0; index < count; index += 1) {
    const host = `${PREFIX}${index}`;
    await ip(`netns add ${host}`);
    await isolate(host); // no address makes itself up
    await ip(`-n ${SWITCH} link add port${index} type veth peer name eth0 netns ${host}`);
    await ip(`-n ${SWITCH} link set port${index} master lan up`);
    for (const card of ['lo', 'eth0']) await ip(`-n ${host} link set ${card} up`);
    await ip(`-n ${host} addr add ${addressOf(index)}/24 dev eth0`);
  }
  const plugged = "until ip -o link show eth0 | grep -q 'state UP'; do sleep 0.02; done";
  for (let index = 0; index < count; index += 1)
    await run('ip', [...onHost(index).slice(1), 'sh', '-c', plugged], { timeout: WIRING_TIMEOUT_MS });
}

export async function takeDown(count: number): Promise<void> {
  const names = [SWITCH, ...Array.from({ length: count }, (_, index) => `${PREFIX}${index}`)];
  for (const name of names) await run('ip', ['netns', 'del', name]).catch(() => undefined); // it was not made
}

export interface CableCapture {
  /** Ends it: every frame as a line, for capture.ts to read. */
  end(): Promise<readonly string[]>;
}

/** Undefined where tshark is missing. */
export async function captureCables(count: number, path: string): Promise<CableCapture | undefined> {
  if ((await whyNoCapture()) !== undefined) return undefined;
  const cards = Array.from({ length: count }, (_, index) => ({ name: `port${index}` }));
  const capture = await startCapture(SWITCH, cards, path);
  return {
    async end() {
      await capture.stop('SIGINT');
      return listFrames(path);
    },
  };
}
