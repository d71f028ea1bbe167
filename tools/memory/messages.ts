/**
 * What the parent and a member's process say to each other: plain data.
 *
 * Owns the shapes alone. Invariant: the parent asks, a member answers each question once and says nothing else after `opened`, so that
 * neither side gathers messages however long a run takes.
 */
import type { Settings } from '../../src/peer/tunables.ts';

/** What a member is, as JSON in its first argument. */
export interface MemberTask {
  readonly settings: Settings;
  /** Decides which keys are written and deleted, with the id and the number of the start. */
  readonly seed: number;
  readonly start: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** Of the updates, 0 to 1. */
  readonly deletedShare: number;
}

/** Write on until so many updates of this process are made; answered at once with ProgressMessage. */
export interface GrantMessage {
  readonly kind: 'grant';
  readonly through: number;
}

/** Say at length how you are; answered with DescribedMessage. */
export interface DescribeMessage {
  readonly kind: 'describe';
}

/** Forget this member for good, as `toposphere forget` does; answered with ForgotMessage when that is durable. */
export interface ForgetMessage {
  readonly kind: 'forget';
  readonly id: string;
}

export type Question = GrantMessage | DescribeMessage | ForgetMessage;

export interface OpenedMessage {
  readonly kind: 'opened';
  /** Name of its updates in vectors, `id/incarnation`. */
  readonly origin: string;
}

/** Something that is counted, and what it takes by the peer's own estimate. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/** What this is all about, as STATUS says it. */
export interface Figures {
  readonly tableRows: Amount;
  readonly tombstones: Amount;
  readonly voidRanges: Amount;
  readonly vectorEntries: Amount;
  /** Rows of the longest table, and where it is cut. */
  readonly longestTableRows: number;
  readonly tableLimitRows: number;
  /** Resident set of the process, and size of its LMDB file. */
  readonly residentBytes: number;
  readonly fileBytes: number;
}

export interface ProgressMessage {
  readonly kind: 'progress';
  /** Updates of this process that are acknowledged, and how many of them are deletions. */
  readonly written: number;
  readonly deleted: number;
  /** Last sequence without a gap of each origin. */
  readonly vector: Readonly<Record<string, number>>;
  /** Whether it takes part. */
  readonly isMember: boolean;
  /** Members it is in touch with, both ways. */
  readonly alive: readonly string[];
  /** Members for whom a round waits, and since which wall time. */
  readonly waitingFor: readonly string[];
  readonly waitingSinceMs: number | null;
  readonly roundsLearned: number;
  readonly tablesTrimmed: number;
  readonly checkpointsJoined: number;
  readonly figures: Figures;
}

export interface DescribedMessage {
  readonly kind: 'described';
  /** STATUS as the peer gives it, JSON. */
  readonly status: string;
  /** Equal on peers that hold the same. */
  readonly digest: string;
  readonly visible: number;
  /** What the peer warned of lately. */
  readonly warnings: readonly string[];
}

export interface ForgotMessage {
  readonly kind: 'forgot';
  /** What would be lost, as it was said before. */
  readonly said: string;
}
