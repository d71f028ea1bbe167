/**
 * The course of a run: all up, one away, back, away again, forgotten; what is asked of the peers in each.
 *
 * Owns the order and the waits between the phases. Leaves the pace to drive.ts and the bounds to verdicts.ts. Invariant: a phase ends only when
 * all that run have every update of it.
 */
import { listRemarks, parseStatus } from '../../src/cli/statusReport.ts';
import { print } from '../bench/report.ts';
import { Late, type Drive } from './drive.ts';
import type { Member } from './member.ts';
import type { PhaseName, Plan } from './plan.ts';
import { formatCount } from './report.ts';
import {
  judgeExplained,
  judgeFallen,
  judgeFlat,
  judgeTrimmed,
  type Explanation,
  type Verdict,
} from './verdicts.ts';

/** Milliseconds until all are in touch, or one is held for dead. */
const MEET_TIMEOUT_MS = 30_000;
/** Milliseconds without writes before a member is stopped: a round that is due begins and ends meanwhile. */
const REST_MS = 300;
/** Milliseconds until status says for whom a round waits: one that was under way is given up after 10 s. */
const EXPLAIN_TIMEOUT_MS = 30_000;
/** Milliseconds until one that was away has everything again, until a round ends, and until all hold the same, tombstones too. */
const RETURN_TIMEOUT_MS = 120_000;
const ROUND_TIMEOUT_MS = 30_000;
const SAME_TIMEOUT_MS = 30_000;

export interface Trio {
  readonly alpha: Member;
  readonly beta: Member;
  readonly gamma: Member;
}

/** What is found goes into `verdicts` one by one, so that a run that breaks off has said what it knows. */
export async function runCourse(plan: Plan, trio: Trio, drive: Drive, verdicts: Verdict[]): Promise<void> {
  const { alpha, beta, gamma } = trio;
  const { samples } = drive;
  await Promise.all([alpha, beta, gamma].map((member) => member.start()));
  await drive.watchUntil('all take part and are in touch', () => isTogether(drive), MEET_TIMEOUT_MS);
  await loadPhase(plan, drive, 'all up');
  verdicts.push(judgeFlat(samples, 'all up', 'tableRows'), judgeFlat(samples, 'all up', 'tombstones'));

  await goAway(drive, gamma, 'gamma down');
  const trims = sumTrims(drive);
  await loadPhase(plan, drive, 'gamma down');
  const explanations = await explainAll(drive, gamma);
  verdicts.push(
    judgeTrimmed(samples, 'gamma down', plan, sumTrims(drive) - trims),
    judgeExplained(samples, 'gamma down', plan, gamma.id, explanations),
  );

  drive.begin('gamma back');
  const learnedBefore = countLearned(drive);
  const isBack = await comeBack(drive, gamma);
  verdicts.push(isBack);
  // A load waits for the slowest: it would not end while gamma cannot follow.
  if (isBack.isMet) verdicts.push(...(await fall(plan, drive, 'gamma back', 'gamma down', learnedBefore)));

  await goAway(drive, gamma, 'gamma down again');
  await loadPhase(plan, drive, 'gamma down again');
  const again = await explainAll(drive, gamma);
  verdicts.push(judgeExplained(samples, 'gamma down again', plan, gamma.id, again));

  drive.begin('gamma forgotten');
  const learnedThen = countLearned(drive);
  const { said } = await alpha.forget(gamma.id);
  print(`alpha was told to forget gamma, and said: ${said}`);
  verdicts.push(...(await fall(plan, drive, 'gamma forgotten', 'gamma down again', learnedThen)));
}

function isTogether(drive: Drive): boolean {
  return drive.up.every(({ last }) => last?.isMember === true && last.alive.length >= drive.up.length - 1);
}

async function loadPhase(plan: Plan, drive: Drive, phase: PhaseName): Promise<void> {
  const before = { updates: drive.updates, deletions: drive.deletions, elapsedMs: drive.elapsedMs };
  await drive.load(plan.updates[phase]);
  const updates = drive.updates - before.updates;
  const seconds = (drive.elapsedMs - before.elapsedMs) / 1000;
  print(
    `${phase}: ${formatCount(updates)} updates, ${formatCount(drive.deletions - before.deletions)} of them deletions, ` +
      `by ${drive.up.length} peers in ${seconds.toFixed(1)} s: ${formatCount(updates / seconds)}/s`,
  );
}

/** Stops a member; resolves when the others hold it for dead. */
async function goAway(drive: Drive, absent: Member, phase: PhaseName): Promise<void> {
  await drive.watchFor(REST_MS);
  await absent.stop();
  drive.begin(phase);
  const isMissed = (): boolean => drive.up.every(({ last }) => last?.alive.includes(absent.id) === false);
  const tookMs = await drive.watchUntil(`${absent.id} is held for dead`, isMissed, MEET_TIMEOUT_MS);
  print(`${absent.id} was stopped, and held for dead ${Math.round(tookMs)} ms later`);
}

/** Starts it again; met when it takes part and has all that it missed. */
async function comeBack(drive: Drive, absent: Member): Promise<Verdict> {
  const verdict = { phase: 'gamma back', claim: `${absent.id} has all that it missed` } as const;
  await absent.start();
  try {
    const isLevel = (): boolean => isTogether(drive) && drive.areLevel();
    const tookMs = await drive.watchUntil(verdict.claim, isLevel, RETURN_TIMEOUT_MS);
    const how = (absent.last?.checkpointsJoined ?? 0) > 0 ? 'joined a checkpoint' : 'update by update';
    return { ...verdict, isMet: true, sides: `${Math.round(tookMs)} ms after its start: ${how}` };
  } catch (error) {
    if (!(error instanceof Late)) throw error;
    const said = await Promise.all(
      drive.up.map(async (member) => `${member.id}: ${(await member.describe()).warnings.join(', ')}`),
    );
    return { ...verdict, isMet: false, sides: `${error.message}; warned: ${said.join('; ')}` };
  }
}

/** Rounds that each of those that run has learned of in its present process. */
function countLearned(drive: Drive): ReadonlyMap<Member, number> {
  return new Map(drive.up.map((member) => [member, member.last?.roundsLearned ?? 0]));
}

/** Nobody is waited for any more: a round comes by itself, and they go on coming under load. */
async function fall(
  plan: Plan,
  drive: Drive,
  phase: PhaseName,
  before: PhaseName,
  learnedBefore: ReadonlyMap<Member, number>,
): Promise<readonly Verdict[]> {
  const hasEnded = (): boolean =>
    drive.up.every((member) => (member.last?.roundsLearned ?? 0) > (learnedBefore.get(member) ?? 0));
  await drive.watchUntil('a round has ended', hasEnded, ROUND_TIMEOUT_MS);
  drive.sample();
  await loadPhase(plan, drive, phase);
  return [
    judgeFallen(drive.samples, phase, before, 'tableRows'),
    judgeFallen(drive.samples, phase, before, 'tombstones'),
    await judgeSame(drive, phase),
  ];
}

/** Waits until every peer says for whom it waits; what they say is printed. */
async function explainAll(drive: Drive, absent: Member): Promise<readonly Explanation[]> {
  const doAllWait = (): boolean => drive.up.every(({ last }) => last?.waitingFor.join() === absent.id);
  const tookMs = await drive.watchUntil(`all wait for ${absent.id}`, doAllWait, EXPLAIN_TIMEOUT_MS);
  const explanations = await Promise.all(drive.up.map(explain));
  print(`status, ${Math.round(tookMs)} ms after the last update:`);
  for (const { peer, line } of explanations) print(`  ${line ?? `${peer}: no remark`}`);
  return explanations;
}

function sumTrims(drive: Drive): number {
  return drive.up.reduce((sum, { last }) => sum + (last?.tablesTrimmed ?? 0), 0);
}

/** What `toposphere status` says below its table. */
async function explain(member: Member): Promise<Explanation> {
  const report = parseStatus((await member.describe()).status);
  const line = listRemarks(member.id, report).find((remark) => remark.includes('waits for'));
  return { peer: member.id, waitingFor: report.collection.waitingFor, line };
}

/** Nothing was lost, and nothing came back, for all that was dropped. */
async function judgeSame(drive: Drive, phase: PhaseName): Promise<Verdict> {
  const untilMs = performance.now() + SAME_TIMEOUT_MS;
  for (;;) {
    await drive.look(() => 0);
    const answers = await Promise.all(
      drive.up.map(async (member) => ({ id: member.id, ...(await member.describe()) })),
    );
    const isMet = new Set(answers.map(({ digest }) => digest)).size === 1;
    if (!isMet && performance.now() < untilMs) continue;
    const sides = answers.map(({ id, digest, visible }) => `${id} ${digest} (${formatCount(visible)} keys)`);
    return { phase, claim: 'all hold the same', isMet, sides: sides.join(', ') };
  }
}
