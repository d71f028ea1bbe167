/**
 * Child process: one embedded peer of the build, which writes as far as the parent grants.
 *
 * Owns the peer and its load: sets and deletions of keys drawn from a seed, at level `committed`, GROUP_WRITES awaited together. How far
 * it may write is the parent's, who knows how far the others are. Invariant: an update counted as written is acknowledged, and a deletion
 * is of a key that was there, for the deletion of an absent one is no update. Ends cleanly on SIGTERM and when the parent is gone.
 */
import type { Peer } from '../../src/peer/peer.ts';
import { openStream } from '../../src/simulator/random.ts';
import { loadPeer } from '../bench/shipped.ts';
import type {
  DescribedMessage,
  ForgotMessage,
  MemberTask,
  OpenedMessage,
  ProgressMessage,
  Question,
} from './messages.ts';

const GROUP_WRITES = 100;
/** Keys looked at for one that is there to be deleted: in vain only while the store is nearly empty. */
const DELETION_TRIES = 16;
const WARNINGS_KEPT = 8;

type Answer = OpenedMessage | ProgressMessage | DescribedMessage | ForgotMessage;

const task = JSON.parse(process.argv[2] ?? '{}') as MemberTask;
const random = openStream(task.seed, `memory ${String(task.settings.id)} ${task.start}`);
const value = Buffer.alloc(task.valueBytes, 'v');
const warnings: string[] = [];
const { Peer: BuiltPeer } = await loadPeer();
const peer = await BuiltPeer.open(task.settings, ({ level, message }) => {
  if (level === 'info') return;
  warnings.push(message);
  if (warnings.length > WARNINGS_KEPT) warnings.shift();
});
const origin = `${peer.id}/${peer.status().incarnation}`;

let through = 0;
let made = 0;
let written = 0;
let deleted = 0;
let isWriting = false;

function say(answer: Answer): void {
  process.send?.(answer);
}

function failWith(reason: unknown): void {
  process.stderr.write(`${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}\n`);
  process.exit(1);
}

function drawKey(): string {
  return `k${String(Math.floor(random() * task.keys)).padStart(7, '0')}`;
}

function findPresent(): string | undefined {
  for (let tries = 0; tries < DELETION_TRIES; tries += 1) {
    const key = drawKey();
    if (peer.has(key)) return key;
  }
  return undefined;
}

/** One update; it has happened here when this returns. */
function makeUpdate(opened: Peer): Promise<unknown> {
  made += 1;
  const present = random() < task.deletedShare ? findPresent() : undefined;
  if (present === undefined) return opened.set(drawKey(), value);
  deleted += 1;
  return opened.delete(present);
}

async function writeOn(): Promise<void> {
  if (isWriting) return;
  isWriting = true;
  while (made < through) {
    if (peer.backend.isBusy()) await peer.backend.whenReady();
    const group: Promise<unknown>[] = [];
    while (made < through && group.length < GROUP_WRITES) group.push(makeUpdate(peer));
    await Promise.all(group);
    written += group.length;
  }
  isWriting = false;
}

function buildProgress(): ProgressMessage {
  const { vector, phase, members, collection, memory, counters, storage } = peer.status();
  const { fileBytes } = storage as { readonly fileBytes: number };
  return {
    kind: 'progress',
    written,
    deleted,
    vector,
    isMember: phase === 'member',
    alive: members.filter(({ alive }) => alive).map(({ id }) => id),
    waitingFor: collection.waitingFor,
    waitingSinceMs: collection.waitingSinceMs,
    roundsLearned: counters['roundsLearned'] ?? 0,
    tablesTrimmed: counters['tablesTrimmed'] ?? 0,
    checkpointsJoined: counters['checkpointsJoined'] ?? 0,
    figures: {
      ...memory,
      longestTableRows: collection.longestTableRows,
      tableLimitRows: collection.tableLimitRows,
      residentBytes: process.memoryUsage.rss(),
      fileBytes,
    },
  };
}

async function answer(question: Question): Promise<void> {
  switch (question.kind) {
    case 'grant':
      through = question.through;
      void writeOn().catch(failWith);
      say(buildProgress());
      return;
    case 'describe': {
      const { digest, visible } = await peer.digest();
      say({ kind: 'described', status: JSON.stringify(peer.status()), digest, visible, warnings });
      return;
    }
    case 'forget': {
      const said = peer.describeForgetting(question.id);
      await peer.forget(question.id);
      say({ kind: 'forgot', said });
      return;
    }
  }
}

async function close(): Promise<void> {
  through = 0;
  await peer.close();
  process.exit(0);
}

peer.onFailure(failWith);
process.on('message', (question: Question) => {
  answer(question).catch(failWith);
});
process.once('SIGTERM', () => {
  close().catch(failWith);
});
process.once('disconnect', () => {
  close().catch(failWith);
});
say({ kind: 'opened', origin });
