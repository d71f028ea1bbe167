/**
 * One member of the cluster as the parent sees it, over its stops and starts.
 *
 * Owns the process and the last that it said. How far it writes is drive.ts's. Invariant: `last` is never of a process that has ended.
 */
import type { Child, Children } from '../bench/children.ts';
import type {
  DescribedMessage,
  ForgotMessage,
  MemberTask,
  OpenedMessage,
  ProgressMessage,
  Question,
} from './messages.ts';

/** Milliseconds until a peer must be open, and until one that runs must answer (a join of a whole checkpoint is one turn). */
const OPEN_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 60_000;

export class Member {
  readonly id: string;
  readonly #children: Children;
  readonly #task: Omit<MemberTask, 'start'>;
  #starts = 0;
  #child: Child | undefined;
  #origin = '';
  #last: ProgressMessage | undefined;

  constructor(id: string, children: Children, task: Omit<MemberTask, 'start'>) {
    this.id = id;
    this.#children = children;
    this.#task = task;
  }

  get isUp(): boolean {
    return this.#child !== undefined;
  }

  /** Name of its present process's updates in vectors. */
  get origin(): string {
    return this.#origin;
  }

  /** What it said last; undefined while it is down, or was not asked yet. */
  get last(): ProgressMessage | undefined {
    return this.#last;
  }

  async start(): Promise<void> {
    this.#starts += 1;
    const task: MemberTask = { ...this.#task, start: this.#starts };
    const child = this.#children.fork(
      `${this.id}, start ${this.#starts}`,
      new URL('memberProcess.ts', import.meta.url),
      [JSON.stringify(task)],
    );
    const { origin } = await child.next<OpenedMessage>('opened', OPEN_TIMEOUT_MS);
    this.#child = child;
    this.#origin = origin;
  }

  /** SIGTERM, and waits for the end. */
  async stop(): Promise<void> {
    const child = this.#running();
    this.#child = undefined;
    this.#last = undefined;
    await this.#children.stop([child]);
  }

  /** Lets it write until its process has made so many updates, and hears how it is now. */
  async grant(through: number): Promise<ProgressMessage> {
    this.#last = await this.#ask<ProgressMessage>({ kind: 'grant', through }, 'progress');
    return this.#last;
  }

  describe(): Promise<DescribedMessage> {
    return this.#ask<DescribedMessage>({ kind: 'describe' }, 'described');
  }

  forget(id: string): Promise<ForgotMessage> {
    return this.#ask<ForgotMessage>({ kind: 'forget', id }, 'forgot');
  }

  #ask<T extends { readonly kind: string }>(question: Question, kind: T['kind']): Promise<T> {
    const child = this.#running();
    child.send({ ...question });
    return child.next<T>(kind, ANSWER_TIMEOUT_MS);
  }

  #running(): Child {
    if (this.#child === undefined) throw new Error(`${this.id} does not run`);
    return this.#child;
  }
}
