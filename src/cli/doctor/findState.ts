/**
 * What state peers and data are in: who does not take part yet, whom collection waits for, which keys differ.
 *
 * Owns how differing keys are shown. What a phase means, and why a round waits, is said as `toposphere status` says it.
 */
import { wallMsOf } from '../../core/clock.ts';
import { quoteBytes } from '../print.ts';
import { describePhase, describeWaiting, formatBytes, formatClock } from '../statusReport.ts';
import { listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { answeredPeers } from './picture.ts';
import type { Comparison, DifferingKey, Mark, Picture } from './picture.ts';

/** A round that waits for so long is held up, milliseconds; each waits a moment. */
const HELD_UP_MS = 30_000;

export function findState(picture: Picture): readonly Finding[] {
  return [...findPhases(picture), ...findHeldUp(picture), ...findDiffering(picture.comparison)];
}

function findPhases(picture: Picture): readonly Finding[] {
  return answeredPeers(picture).flatMap(({ name, answer: { status } }) =>
    describePhase(name, `--id ${name}`, status).map((remark): Finding => {
      // The first sentence part says what is; what to do follows it, or time does it.
      const fix =
        status.phase === 'forgotten'
          ? `start it with another id, listed in servers.txt, and an empty data directory`
          : status.phase === 'fresh'
            ? `start the other peers; on the very first start without them, start one with --bootstrap`
            : `wait, it goes on by itself; if nobody is left to join from: toposphere bootstrap --id ${name}`;
      return {
        severity: status.phase === 'forgotten' ? 'fault' : 'risk',
        code: 'phase',
        peers: [name],
        seen: remark,
        fix,
      };
    }),
  );
}

/** One finding for each member that rounds wait for. */
function findHeldUp(picture: Picture): readonly Finding[] {
  const waits = new Map<
    string,
    { readonly by: string[]; sinceMs: number; why: unknown; tombstones: number; bytes: number }
  >();
  for (const { name, answer } of answeredPeers(picture)) {
    const {
      waitingFor,
      waitingSinceMs = picture.nowMs,
      waitingWhy,
      tombstones,
      tombstoneBytes,
    } = answer.status.collection;
    // By its own clock, which may be wrong.
    const sinceMs = waitingSinceMs - (answer.wallOffsetMs ?? 0);
    if (picture.nowMs - sinceMs < HELD_UP_MS) continue;
    for (const id of waitingFor) {
      const wait = waits.get(id) ?? { by: [], sinceMs, why: waitingWhy[id], tombstones: 0, bytes: 0 };
      wait.by.push(name);
      wait.sinceMs = Math.min(wait.sinceMs, sinceMs);
      wait.tombstones = Math.max(wait.tombstones, tombstones);
      wait.bytes = Math.max(wait.bytes, tombstoneBytes);
      waits.set(id, wait);
    }
  }
  return Array.from(waits, ([id, { by, sinceMs, why, tombstones, bytes }]): Finding => ({
    severity: 'risk',
    code: 'collection',
    peers: [id],
    seen: `collection waits for ${id} since ${formatClock(sinceMs)} (rounds of ${listNames(by)}): ${describeWaiting(id, why).split(':')[0] ?? ''}; meanwhile ${tombstones.toLocaleString('en')} deleted keys take ${formatBytes(bytes)}`,
    fix:
      why === 'silent'
        ? `start ${id} again; if it will not return: toposphere forget ${id}`
        : `see what is said of ${id} here and in its log; rounds go on by themselves once it answers`,
  }));
}

function findDiffering(comparison: Comparison | undefined): readonly Finding[] {
  if (comparison === undefined) return [];
  const { differing, unsettled, unseenKeys, fault, compared } = comparison;
  return [
    ...differing.map((key): Finding => ({
      severity: 'fault',
      code: 'keyDiffers',
      peers: [...key.held.keys()],
      seen: `key ${nameOf(key)} differs and nothing is on its way: ${describeHeld(key)}`,
      fix: `write the right value once more at any peer (toposphere set, or del), for a new write wins everywhere; then see what spoiled the disk of the odd one`,
    })),
    ...describeUnsettled(unsettled),
    ...(unseenKeys === 0 ? [] : [describeUnseen(differing.length + unsettled.length, unseenKeys, compared)]),
    ...(fault === undefined ? [] : [describeBrokenOff(fault)]),
  ];
}

function describeUnsettled(unsettled: readonly DifferingKey[]): readonly Finding[] {
  if (unsettled.length === 0) return [];
  return [
    {
      severity: 'note',
      code: 'keysOnTheWay',
      peers: [],
      seen: `${unsettled.length} key${unsettled.length === 1 ? ' is' : 's are'} not the same everywhere, and not everything has arrived everywhere: ${listNames(unsettled.map(nameOf))}`,
      fix: 'ask again when less is written, or when the peers hear each other again: toposphere doctor',
    },
  ];
}

function describeUnseen(shown: number, unseenKeys: number, compared: readonly string[]): Finding {
  return {
    severity: shown > 0 ? 'fault' : 'note',
    code: 'moreKeysDiffer',
    peers: [...compared],
    seen: `more keys differ in parts that were not looked into, which have up to ${unseenKeys.toLocaleString('en')} keys`,
    fix: 'mend what is found first, then ask again',
  };
}

function describeBrokenOff(fault: string): Finding {
  return {
    severity: 'risk',
    code: 'notCompared',
    peers: [],
    seen: `what the peers hold could not be compared to the end: ${fault}`,
    fix: 'ask again when all peers answer',
  };
}

function nameOf({ key }: DifferingKey): string {
  return quoteBytes(Buffer.from(key, 'latin1'));
}

/** What each peer has, those with the same together. */
function describeHeld({ held }: DifferingKey): string {
  const groups = new Map<string, string[]>();
  for (const [peer, mark] of held) {
    const group = mark === undefined ? 'absent' : describeMark(mark);
    groups.set(group, [...(groups.get(group) ?? []), peer]);
  }
  return Array.from(groups, ([what, peers]) => `${what} on ${listNames(peers)}`).join('; ');
}

function describeMark({ kind, timestamp, id, incarnation, sequence, digest }: Mark): string {
  const at = new Date(wallMsOf(timestamp)).toISOString();
  const writer =
    kind === 'synthetic' ? '' : ` (update ${sequence} of ${id}/${incarnation}, hash ${digest.slice(0, 8)})`;
  return `${kind === 'value' ? 'a value' : `a ${kind === 'synthetic' ? 'synthetic tombstone' : 'tombstone'}`} of ${at}${writer}`;
}
