/**
 * The laboratory's hand on its switch: what a link does to frames from now on.
 *
 * Owns the process of switch.py and the lines that it is told. Invariant: a promise that has resolved is in force: frames
 * that are sent afterwards meet the new rules.
 */
import { fileURLToPath } from 'node:url';
import type { LinkQuality } from '../../src/simulator/schedule.ts';
import { portName, SWITCH_NAMESPACE, type Card } from './namespaces.ts';
import { Program } from './program.ts';

const PROGRAM = fileURLToPath(new URL('switch.py', import.meta.url));
const ANSWER_TIMEOUT_MS = 10_000;

/** How a link treats what it carries. `updateLoss` no switch can do: updates are sealed, and the script refuses it. */
export type SwitchQuality = Partial<LinkQuality & { readonly isCut: boolean }>;

/** Frames of one card: taken from it, sent to it, and dropped, by reason. */
export interface PortCounts {
  readonly taken: number;
  readonly sent: number;
  readonly cut: number;
  readonly lost: number;
  /** Beyond what the card may send. */
  readonly late: number;
  /** The system took no more of them. */
  readonly overrun: number;
}

export interface SwitchCounts {
  readonly ports: Readonly<Record<string, PortCounts>>;
  readonly cpuSeconds: number;
}

/** What was counted between two readings. */
export function countsSince(before: SwitchCounts, after: SwitchCounts): SwitchCounts {
  const ports = Object.entries(after.ports).map(([name, counts]) => {
    const grown = Object.entries(counts).map(([what, count]: [string, number]) => {
      const earlier = before.ports[name]?.[what as keyof PortCounts] ?? 0;
      return [what, count - earlier];
    });
    return [name, Object.fromEntries(grown) as PortCounts] as const;
  });
  return { ports: Object.fromEntries(ports), cpuSeconds: after.cpuSeconds - before.cpuSeconds };
}

export class SwitchControl {
  readonly #program: Program;
  readonly #names: readonly string[];

  private constructor(program: Program, names: readonly string[]) {
    this.#program = program;
    this.#names = names;
  }

  /** Plugs the cards in, in the order of their port names. */
  static async start(cards: readonly Card[], seed: number): Promise<SwitchControl> {
    const program = new Program('the switch', SWITCH_NAMESPACE, ['python3', '-u', PROGRAM]);
    const ports = cards.map(({ name, mac }, index) => ({ name, mac, interface: portName(index) }));
    program.write(JSON.stringify({ ports, seed }));
    await program.awaitLine(/^\{/, ANSWER_TIMEOUT_MS);
    return new SwitchControl(
      program,
      cards.map(({ name }) => name),
    );
  }

  /** Changes the links from each of `from` to each of `to`, in that direction; left out: all cards. */
  async setLinks(quality: SwitchQuality, from = this.#names, to = this.#names): Promise<void> {
    await this.#order({ do: 'link', from, to, quality });
  }

  /** What a card may send, bytes a second; 0: as much as it likes. */
  async setRate(bytesPerSecond: number, of = this.#names): Promise<void> {
    await this.#order({ do: 'rate', of, bytesPerSecond });
  }

  async count(): Promise<SwitchCounts> {
    return this.#order({ do: 'count' });
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }

  async #order(order: Readonly<Record<string, unknown>>): Promise<SwitchCounts> {
    const answered = this.#program.lines;
    answered.length = 0; // one order at a time: what lies here was answered
    this.#program.write(JSON.stringify(order));
    return JSON.parse(await this.#program.awaitLine(/^\{/, ANSWER_TIMEOUT_MS)) as SwitchCounts;
  }
}
