/**
 * Whether what clients saw of one register can have been one register: a history is linearizable if each operation can be given a moment between its call and its answer
 * such that every read sees the last write before it.
 *
 * The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), which tries every operation that may come next, with the memory of Lowe ("Testing for
 * linearizability", 2017): a set of operations that is done, with the value that is left, is tried once. Writes whose outcome nobody knows may take effect at any time after their
 * call, or never. Values are unique, so a write of that kind which nobody has read can be left out: where it took effect, nobody looked.
 */

/** An operation on one key. Unknown outcomes return at Infinity. */
export interface Operation {
  readonly key: string;
  readonly kind: 'read' | 'majority' | 'write';
  /** Undefined: nothing is there. */
  readonly value: string | undefined;
  readonly calledAt: number;
  readonly returnedAt: number;
}

/** Why a history is not linearizable; undefined when it is. */
export interface Violation {
  readonly key: string;
  readonly why: string;
}

/** Histories of all keys, each for itself: linearizability is local. */
export function findViolation(history: readonly Operation[]): Violation | undefined {
  for (const [key, operations] of byKey(history)) {
    const exact = operations.filter(({ kind }) => kind !== 'majority');
    const stuck = findStuck(exact);
    if (stuck !== undefined)
      return { key, why: `${describe(stuck)} fits into no order of what was done before its answer` };
    for (const read of operations) {
      const why = read.kind === 'majority' ? findIrregular(read, exact) : undefined;
      if (why !== undefined) return { key, why };
    }
  }
  return undefined;
}

function byKey(history: readonly Operation[]): ReadonlyMap<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of history) {
    const ofKey = keys.get(operation.key);
    if (ofKey === undefined) keys.set(operation.key, [operation]);
    else ofKey.push(operation);
  }
  return keys;
}

/** A call or an answer, in the order in which they came; a doubly linked list, so that what has been given its moment is taken out and put back at no cost. */
interface Moment {
  readonly operation: Operation | undefined;
  readonly index: number;
  /** Of a call: its answer, if there was one. Undefined for an answer. */
  readonly answer: Moment | undefined;
  readonly isCall: boolean;
  next: Moment | undefined;
  previous: Moment | undefined;
}

interface Step {
  readonly call: Moment;
  readonly valueBefore: string | undefined;
}

/** The answer that no order gets past, in the attempt that got furthest; undefined when there is an order. */
function findStuck(all: readonly Operation[]): Operation | undefined {
  const operations = relevant(all);
  const first = linkMoments(operations);
  const done = new Uint32Array((operations.length >> 5) + 1);
  const tried = new Set<string>();
  const steps: Step[] = [];
  let left = operations.filter(isAnswered).length;
  let furthest: { depth: number; stuck: Operation | undefined } = { depth: -1, stuck: undefined };
  let value: string | undefined;
  let highest = 0;
  let at = first.next;
  while (left > 0) {
    if (at?.isCall === true && at.operation !== undefined) {
      const { kind, value: own } = at.operation;
      const after = kind === 'write' ? own : value;
      flip(done, at.index);
      highest = Math.max(highest, at.index);
      if ((kind === 'write' || own === value) && isNew(tried, done, first.next?.index ?? 0, highest, after)) {
        steps.push({ call: at, valueBefore: value });
        value = after;
        takeOut(at);
        if (isAnswered(at.operation)) left -= 1;
        at = first.next;
      } else {
        flip(done, at.index);
        at = at.next;
      }
      continue;
    }
    // An answer: its operation must have had its moment before. So one of those before it had the wrong one.
    if (steps.length > furthest.depth) furthest = { depth: steps.length, stuck: at?.operation };
    const step = steps.pop();
    if (step === undefined) return furthest.stuck;
    const { call, valueBefore } = step;
    putBack(call);
    flip(done, call.index);
    if (call.operation !== undefined && isAnswered(call.operation)) left += 1;
    value = valueBefore;
    at = call.next;
  }
  return undefined;
}

function isAnswered({ returnedAt }: Operation): boolean {
  return returnedAt !== Infinity;
}

/** Without reads that told nothing, and without writes of unknown outcome that nobody has read. */
function relevant(all: readonly Operation[]): readonly Operation[] {
  const isRead = new Set(
    all.filter((one) => one.kind === 'read' && isAnswered(one)).map(({ value }) => value),
  );
  return all
    .filter((one) => isAnswered(one) || (one.kind === 'write' && isRead.has(one.value)))
    .sort((one, other) => one.calledAt - other.calledAt);
}

function linkMoments(operations: readonly Operation[]): Moment {
  const moments: { readonly atOrder: number; readonly moment: Moment }[] = [];
  for (const [index, operation] of operations.entries()) {
    const one = { operation, index, next: undefined, previous: undefined };
    const answer: Moment | undefined = isAnswered(operation)
      ? { ...one, answer: undefined, isCall: false }
      : undefined;
    if (answer !== undefined) moments.push({ atOrder: operation.returnedAt, moment: answer });
    moments.push({ atOrder: operation.calledAt, moment: { ...one, answer, isCall: true } });
  }
  moments.sort((a, b) => a.atOrder - b.atOrder);
  const first: Moment = {
    operation: undefined,
    index: -1,
    answer: undefined,
    isCall: false,
    next: undefined,
    previous: undefined,
  };
  let last = first;
  for (const { moment } of moments) {
    last.next = moment;
    moment.previous = last;
    last = moment;
  }
  return first;
}

function takeOut(call: Moment): void {
  for (const moment of [call, call.answer]) {
    if (moment === undefined) continue;
    if (moment.previous !== undefined) moment.previous.next = moment.next;
    if (moment.next !== undefined) moment.next.previous = moment.previous;
  }
}

/** In the opposite order, for each remembers its neighbours as they were. */
function putBack(call: Moment): void {
  for (const moment of [call.answer, call]) {
    if (moment === undefined) continue;
    if (moment.previous !== undefined) moment.previous.next = moment;
    if (moment.next !== undefined) moment.next.previous = moment;
  }
}

function flip(done: Uint32Array, index: number): void {
  done[index >> 5] = (done[index >> 5] ?? 0) ^ (1 << (index & 31));
}

/** Whether this was never tried: what is done, with this value left. All below `lowest` is done; `highest` was the last that ever was. */
function isNew(
  tried: Set<string>,
  done: Uint32Array,
  lowest: number,
  highest: number,
  value: string | undefined,
): boolean {
  const from = lowest >> 5;
  let through = highest >> 5;
  while (through > from && done[through] === 0) through -= 1;
  const state = `${from} ${done.subarray(from, through + 1).join(',')} ${value === undefined ? '' : `=${value}`}`;
  if (tried.has(state)) return false;
  tried.add(state);
  return true;
}

/** A read without write-back may see what a later one does not; but never what had been overwritten when it was called, nor what is written after it. */
function findIrregular(read: Operation, operations: readonly Operation[]): string | undefined {
  const writes = operations.filter(({ kind }) => kind === 'write');
  const isLast = (write: Operation): boolean =>
    !writes.some((later) => later.calledAt > write.returnedAt && later.returnedAt < read.calledAt);
  const candidates = writes.filter(({ value }) => value === read.value);
  if (candidates.some((write) => write.calledAt < read.returnedAt && isLast(write))) return undefined;
  // Nothing is what there was before the first write.
  if (read.value === undefined && !writes.some(({ returnedAt }) => returnedAt < read.calledAt))
    return undefined;
  return `${describe(read)} is none of what may have been newest with a majority`;
}

function describe({ kind, value, calledAt, returnedAt }: Operation): string {
  const what = value === undefined ? 'nothing' : JSON.stringify(value);
  return `the ${kind} of ${what} from ${calledAt} to ${returnedAt}`;
}
