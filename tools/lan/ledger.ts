/**
 * What clients were told of their writes: the account against which hosts are judged in the end.
 *
 * Owns, for each key, the last write that was acknowledged and those after it whose fate is open (their answer was lost with the
 * connection). Each key has one writer, whose writes reach one host in order: so its last acknowledged write must be there, or an open one after
 * it. Invariant: a write that was refused is never expected, and one that was acknowledged is never let off but by a later one of the same key.
 */

interface Operation {
  readonly number: number;
  /** Undefined: deleted. */
  readonly value: string | undefined;
}

interface Fate {
  /** Undefined: none yet. */
  acknowledged: Operation | undefined;
  /** Sent after it, and neither acknowledged nor refused. */
  open: Operation[];
}

export type Outcome = 'acknowledged' | 'refused' | 'unknown';

export class Ledger {
  readonly #fates = new Map<string, Fate>();
  #sent = 0;
  #acknowledged = 0;

  get keys(): readonly string[] {
    return [...this.#fates.keys()];
  }

  /** Writes that were acknowledged, those of keys written again since included. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get sent(): number {
    return this.#sent;
  }

  /** A write leaves; answers how to say what came of it. */
  begin(key: string, value: string | undefined): (outcome: Outcome) => void {
    const operation = { number: (this.#sent += 1), value };
    const fate = this.#fates.get(key) ?? { acknowledged: undefined, open: [] };
    this.#fates.set(key, fate);
    fate.open.push(operation);
    return (outcome) => {
      if (outcome === 'unknown') return;
      if (outcome === 'refused') {
        fate.open = fate.open.filter((one) => one !== operation);
        return;
      }
      this.#acknowledged += 1;
      fate.acknowledged = operation;
      fate.open = fate.open.filter(({ number }) => number > operation.number);
    };
  }

  /** What is wrong with what a host holds under a key (null: nothing); undefined when it may be so. */
  findFault(key: string, held: string | null): string | undefined {
    const fate = this.#fates.get(key);
    if (fate === undefined) return held === null ? undefined : `${key} was never written`;
    const { acknowledged, open } = fate;
    const possible = [acknowledged?.value, ...open.map(({ value }) => value)];
    if (possible.includes(held ?? undefined)) return undefined;
    const last = acknowledged?.value ?? 'deleted or never written';
    return `${key} is ${held?.slice(0, 30) ?? 'absent'}; acknowledged last: ${last.slice(0, 30)}`;
  }
}
