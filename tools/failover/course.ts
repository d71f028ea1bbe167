/**
 * One course: four peers, some applications, and every few seconds kill -9 to the peer that one of them is at.
 *
 * Owns the peers over their deaths and starts, and the times until each application that lost its peer had an answer again. Who is told what is application.ts's. Invariant:
 * at the end all peers run, and are asked for every acknowledged write.
 */
import { setTimeout as duration } from 'node:timers/promises';
import { replyText } from '../../src/cli/connection.ts';
import type { Bench } from '../bench/budget.ts';
import { withTimeout } from '../bench/children.ts';
import { startPeer, timeToConverge, waitUntil, type ServedPeer } from '../bench/peers.ts';
import { HOST, type ServersText } from '../bench/workspace.ts';
import { Account, Application } from './application.ts';

const PEERS = 4;
const MEET_TIMEOUT_MS = 15_000;
const CONVERGE_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** How long an operation looks for a peer, milliseconds: a killed one is back within two seconds, and may be the only one that has what a session needs. */
const DEADLINE_MS = 5_000;

export interface CourseOptions {
  readonly clients: number;
  readonly keys: number;
  readonly lengthMs: number;
  readonly killEveryMs: number;
  /** What every peer loses, as in `toposphere faults`: `drop 20`. */
  readonly losses: readonly string[];
  readonly isWithoutToken: boolean;
}

export interface CourseReport {
  readonly account: Account;
  readonly kills: number;
  /** From the kill until an application whose peer it was had an answer to something it asked after, milliseconds. */
  readonly awayMs: readonly number[];
  /** What the clients themselves measured, from seeing that the peer is gone to the next that serves, milliseconds. */
  readonly failoverMs: readonly number[];
}

type Ground = Pick<Bench, 'children' | 'workspace'>;

class Peers {
  readonly #bench: Ground;
  readonly #cluster: ServersText;
  readonly #losses: readonly string[];
  readonly #running: ServedPeer[] = [];
  #starting: Promise<void> = Promise.resolve();

  constructor(bench: Ground, cluster: ServersText, losses: readonly string[]) {
    this.#bench = bench;
    this.#cluster = cluster;
    this.#losses = losses;
  }

  get running(): readonly ServedPeer[] {
    return this.#running;
  }

  get addresses(): readonly string[] {
    return this.#running.map(({ clientPort }) => `${HOST}:${clientPort}`);
  }

  async startAll(): Promise<void> {
    await Promise.all(Array.from({ length: PEERS }, (_, index) => this.#start(index)));
    await this.meet();
    await Promise.all(this.#running.map((peer) => this.#lose(peer)));
  }

  /** Waits until all that run hear each other and take part. */
  async meet(): Promise<void> {
    const haveMet = await waitUntil(async () => {
      const statuses = await Promise.all(this.#running.map(({ status }) => status()));
      return statuses.every(
        ({ phase, members }) => phase === 'member' && members.every(({ alive }) => alive),
      );
    }, MEET_TIMEOUT_MS);
    if (!haveMet) throw new Error(`the peers did not all hear each other in ${MEET_TIMEOUT_MS} ms`);
  }

  /** kill -9 to the peer at this address, and starts it again; false when it does not run. */
  killAndStart(address: string): boolean {
    const index = this.addresses.indexOf(address);
    const peer = this.#running[index];
    if (peer === undefined || peer.child.hasEnded) return false;
    peer.child.kill();
    const again = async (): Promise<void> => {
      await peer.child.ended;
      await this.#lose(await this.#start(index));
    };
    this.#starting = Promise.all([this.#starting, again()]).then(() => undefined);
    return true;
  }

  /** Resolves when whoever was killed serves again. */
  async settled(): Promise<void> {
    await this.#starting;
  }

  async heal(): Promise<void> {
    await Promise.all(
      this.#running.map(({ connection }) => connection.request(['TOPOSPHERE', 'FAULTS', 'heal'])),
    );
  }

  async #start(index: number): Promise<ServedPeer> {
    const peer = await startPeer(this.#bench, this.#cluster, index, ['--allow-faults']);
    this.#running[index] = peer;
    return peer;
  }

  async #lose({ connection }: ServedPeer): Promise<void> {
    for (const loss of this.#losses) await connection.request(['TOPOSPHERE', 'FAULTS', ...loss.split(' ')]);
  }
}

/** Runs it. Rejects when peers do not start, or do not agree at the end. */
export async function runCourse(bench: Ground, options: CourseOptions): Promise<CourseReport> {
  const peers = new Peers(bench, await bench.workspace.cluster(PEERS), options.losses);
  await peers.startAll();
  const account = new Account();
  const applications = await startApplications(peers, options, account);
  const failoverMs: number[] = [];
  for (const application of applications) application.onFailover((tookMs) => failoverMs.push(tookMs));
  const { kills, awayMs } = await killInTurn(peers, applications, options);
  await Promise.all(applications.map((application) => application.stop()));
  await peers.settled();
  await peers.heal();
  await peers.meet();
  if ((await timeToConverge(peers.running, CONVERGE_TIMEOUT_MS)) === undefined)
    throw new Error(`the peers did not agree within ${CONVERGE_TIMEOUT_MS} ms after the last kill`);
  for (const application of applications) await lookForLosses(peers, application, account);
  await Promise.all(applications.map((application) => application.close()));
  return { account, kills, awayMs, failoverMs };
}

async function startApplications(
  peers: Peers,
  { clients, keys, isWithoutToken }: CourseOptions,
  account: Account,
): Promise<readonly Application[]> {
  const names = Array.from({ length: clients }, (_, index) => `client ${index + 1}`);
  const client = { peers: peers.addresses, deadlineMs: DEADLINE_MS };
  return Promise.all(
    names.map((name) => Application.start({ name, names, keys, account, isWithoutToken, client })),
  );
}

async function killInTurn(
  peers: Peers,
  applications: readonly Application[],
  { lengthMs, killEveryMs }: CourseOptions,
): Promise<{ readonly kills: number; readonly awayMs: readonly number[] }> {
  const away: Promise<number>[] = [];
  const untilMs = performance.now() + lengthMs;
  let kills = 0;
  for (let turn = 0; performance.now() + killEveryMs <= untilMs; turn += 1) {
    await duration(killEveryMs);
    const address = applications[turn % applications.length]?.peer;
    if (address === undefined) continue; // between two peers: there is none to kill
    const bereft = applications.filter(({ peer }) => peer === address);
    if (!peers.killAndStart(address)) continue;
    kills += 1;
    away.push(...bereft.map((application) => application.nextAnswer()));
  }
  const awayMs = await withTimeout(
    Promise.all(away),
    ANSWER_TIMEOUT_MS,
    'an answer to every application after the last kill',
  );
  return { kills, awayMs };
}

/** Every peer must have what was acknowledged, or something newer. */
async function lookForLosses(peers: Peers, application: Application, account: Account): Promise<void> {
  for (const [key, floor] of application.floors()) {
    for (const { id, connection } of peers.running) {
      const reply = await connection.request(['GET', key]);
      const found = reply === null ? 0 : Number(replyText(reply));
      if (found < floor)
        account.noteViolation(
          `at the end ${id} has ${key} = ${found}, and ${floor} was acknowledged or read`,
        );
    }
  }
}
