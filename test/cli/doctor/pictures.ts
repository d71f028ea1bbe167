/**
 * Pictures of clusters for the findings' tests, read from the JSON that peers answer with.
 *
 * Owns a healthy cluster and the ways to change what one peer says. Invariant: of an unchanged picture nothing is found.
 */
import { parseAnswer, parseExamination } from '../../../src/cli/doctor/picture.ts';
import type { Comparison, PeerPicture, Picture } from '../../../src/cli/doctor/picture.ts';

export const NOW_MS = Date.UTC(2026, 0, 1, 12);
const FIRST_PORT = 7401;

type Json = Record<string, unknown>;

/** What one peer says, to be changed before it is read. */
export interface Said {
  readonly status: Json & { members: Json[]; dropSources: Json; faults: Json; clusterKeys: Json | null };
  readonly examination: Json & {
    servers: Json;
    shared: Json;
    clusterKeyFile: Json | null;
    multicast: Json;
    members: Json[];
    link: Json;
    receiveBuffer: Json;
    disk: Json;
  };
}

export function serversText(ids: readonly string[]): string {
  return ids.map((id, at) => `${id} 10.0.0.${at + 1} ${FIRST_PORT}\n`).join('');
}

/** Of a peer that hears all others under the key that it seals with, the first of `accepted`. */
function sayKeys(others: readonly string[], accepted: readonly number[]): Json {
  const [sealing] = accepted;
  return { sealing, accepted, heard: Object.fromEntries(others.map((id) => [id, sealing])) };
}

/** Gives a peer these keys, and a key file that holds them; the first seals. */
export function giveKeys({ status, examination }: Said, accepted: readonly number[]): void {
  const others = status.members.map(({ id }) => String(id));
  status.clusterKeys = sayKeys(others, accepted);
  examination.clusterKeyFile = { path: '/etc/cluster.key', keyIds: accepted, fault: null };
}

function sayHealthy(id: string, ids: readonly string[]): Said {
  const others = ids.filter((other) => other !== id);
  return {
    status: {
      id,
      keys: 10,
      lagUpdates: 0,
      phase: 'member',
      caughtUp: true,
      wallMs: NOW_MS,
      vector: { 'alpha/1': 10 },
      members: others.map((other) => ({
        id: other,
        alive: true,
        heard: true,
        hearsMe: true,
        multicast: true,
        phase: 'member',
        apart: false,
        sameServers: true,
      })),
      drops: {},
      dropSources: {},
      faults: { cut: [], dropped: {} },
      clusterKeys: sayKeys(others, [1]),
      collection: { round: `${id}/1`, waitingFor: [], waitingSinceMs: null, waitingWhy: {} },
    },
    examination: {
      id,
      version: '1.0.0',
      node: 'v20.20.0',
      servers: { path: '/etc/servers.txt', text: serversText(ids), fileText: serversText(ids), fault: null },
      shared: {
        clusterId: 'shop',
        multicastGroup: '239.195.74.1',
        multicastPort: 7400,
        maxDriftMs: 500,
        maxValueBytes: 1000,
      },
      clusterKeyFile: { path: '/etc/cluster.key', keyIds: [1], fault: null },
      multicast: { interface: `10.0.0.${ids.indexOf(id) + 1}`, joined: true },
      members: others.map((other) => ({
        id: other,
        address: `10.0.0.${ids.indexOf(other) + 1}:${FIRST_PORT}`,
        heard: true,
        hearsMe: true,
        multicastHeard: true,
        stream: 'open',
      })),
      link: { address: `10.0.0.${ids.indexOf(id) + 1}`, name: 'eth0', mtuBytes: 1500, packetBytes: 1423 },
      receiveBuffer: { askedBytes: 8_388_608, grantedBytes: 8_388_608, systemLimitBytes: 8_388_608 },
      disk: {
        directory: `/var/${id}`,
        freeBytes: 10e9,
        minFreeBytes: 256e6,
        lastsMs: null,
        flush: { count: 7, medianMs: 0.4, worstMs: 2, fault: null },
      },
      horizon: 0,
    },
  };
}

export interface Change {
  /** Changes what a peer says; false: it does not answer. */
  readonly say?: (said: Said, id: string) => boolean | undefined;
  /** Of one that does not answer: how its ports look. */
  readonly reaches?: Readonly<Record<string, readonly [client: string, stream: string]>>;
  /** Of one that does not answer: what it says of the password. */
  readonly passwordRefused?: Readonly<Record<string, 'missing' | 'wrong'>>;
  /** Peers that do not answer TOPOSPHERE DOCTOR. */
  readonly unexamined?: readonly string[];
  readonly localText?: string;
  readonly comparison?: Partial<Comparison>;
}

export function pictureOf(ids: readonly string[], change: Change = {}): Picture {
  const peers = ids.map((id, at): PeerPicture => {
    const said = sayHealthy(id, ids);
    const host = `10.0.0.${at + 1}`;
    const [clientReach, streamReach] = change.reaches?.[id] ?? ['open', 'open'];
    const base = {
      name: id,
      clients: { host, port: 6401 },
      peers: { host, port: FIRST_PORT },
      clientReach,
      streamReach,
      passwordRefused: change.passwordRefused?.[id],
    };
    if (change.say?.(said, id) === false)
      return { ...base, answer: undefined, silence: `cannot reach a peer at ${host}:6401 (ECONNREFUSED)` };
    const isExamined = change.unexamined?.includes(id) !== true;
    const answer = {
      ...parseAnswer(JSON.stringify(said.status), NOW_MS - 1, NOW_MS + 1),
      examination: isExamined ? parseExamination(JSON.stringify(said.examination)) : undefined,
      examinationFault: isExamined ? undefined : "unknown subcommand 'DOCTOR'",
    };
    return { ...base, answer, silence: undefined };
  });
  return {
    local: { name: 'servers.txt', text: change.localText ?? serversText(ids) },
    nowMs: NOW_MS,
    peers,
    comparison: {
      compared: ids,
      differing: [],
      unsettled: [],
      unseenKeys: 0,
      fault: undefined,
      ...change.comparison,
    },
  };
}

/** Changes one peer's words alone. */
export function only(id: string, change: (said: Said) => void): Change {
  return {
    say: (said, each) => {
      if (each === id) change(said);
      return undefined;
    },
  };
}

/** What `observer` says of `member`, in both of its answers. */
export function member(said: Said, id: string): readonly Json[] {
  return [said.status.members, said.examination.members].flatMap((list) =>
    list.filter((one) => one['id'] === id),
  );
}
