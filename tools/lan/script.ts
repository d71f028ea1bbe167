/**
 * Scenarios in the simulator's language, as far as a laboratory can carry them out, and one statement of its own: `rate alpha 4mbit`.
 *
 * Owns what is refused, and why, before anything begins: all faults of a text together, each with its line. The grammar is the simulator's. What a sealed
 * datagram hides (its kind) no switch can lose, and real clocks and disks do not do as they are told.
 */
import { ToposphereError } from '../../src/core/errors.ts';
import { PEER_TUNABLE_NAMES, type Settings } from '../../src/peer/tunables.ts';
import { parseScenario } from '../../src/simulator/scenarioParser.ts';
import type { Statement } from '../../src/simulator/scenarioStatement.ts';
import { peerNames } from '../../src/simulator/generate.ts';

/** What a card may send; 0: as much as it likes. */
export interface RateStatement {
  readonly kind: 'rate';
  readonly peers: readonly string[];
  readonly bytesPerSecond: number;
}

/** Statements that only a simulator can carry out, and why. */
const SIMULATED_ONLY = {
  loseKind: 'what a sealed datagram says is not to be seen on the wire: lose a share of all, or of multicast',
  powerOff: 'power off: what the system has taken outlives a process; say crash',
  backUp: 'back up: not in the laboratory, only simulated',
  rollBack: 'roll back: not in the laboratory, only simulated',
  admit: 'admit: not in the laboratory, only simulated',
  bootstrap: 'bootstrap: not in the laboratory, only simulated',
  forget: 'forget: not in the laboratory, only simulated',
  twin: 'twin: not in the laboratory, only simulated',
  endTwin: 'end twin: not in the laboratory, only simulated',
  clock: 'clock: not in the laboratory, only simulated',
  stray: 'stray: not in the laboratory, only simulated',
  install: 'install: there is one release in the laboratory; only simulated',
  add: 'add: not in the laboratory, only simulated',
  expectFate: 'on n disks: not in the laboratory, only simulated',
  expectVersion: 'expect version: there is one release in the laboratory; only simulated',
} as const satisfies Partial<Readonly<Record<Statement['kind'], string>>>;

/** `S` with each of its kinds that a laboratory can carry out. */
type Feasible<S, Kind> = S extends Statement
  ? Kind extends keyof typeof SIMULATED_ONLY
    ? never
    : S & { readonly kind: Kind }
  : never;
type FeasibleOf<S> = S extends { readonly kind: infer Kind } ? Feasible<S, Kind> : never;

/** What a laboratory carries out. */
export type Deed = FeasibleOf<Statement> | RateStatement;

export interface Line {
  readonly text: string;
  readonly line: number;
  readonly does: Deed;
}

export interface Script {
  readonly ids: readonly string[];
  readonly seed: number;
  readonly settings: Settings;
  readonly lines: readonly Line[];
  /** Those whose disk is filled at some time. */
  readonly smallDisks: readonly string[];
}

const BITS = { kbit: 1e3, mbit: 1e6 } as const;

/** Throws BAD_ARGUMENT with one line a fault. */
export function readScript(text: string): Script {
  const faults: string[] = [];
  const { rates, rest } = takeRates(text, faults);
  const scenario = parseScenario(rest, peerNames);
  for (const { does, line } of scenario.statements) {
    const why = whyNot(does);
    if (why !== undefined) faults.push(`line ${line}: ${why}`);
  }
  for (const { does, line } of rates) {
    for (const id of does.peers) if (!scenario.peers.includes(id)) faults.push(`line ${line}: no peer ${id}`);
  }
  for (const name of Object.keys(scenario.settings)) {
    if (!PEER_TUNABLE_NAMES.some((known) => known === name))
      faults.push(`settings ${name}: no setting of \`toposphere serve\``);
  }
  if (Object.keys(scenario.limits).length > 0) faults.push('limits: a shipped peer keeps its own');
  if (scenario.newcomers.length > 0)
    faults.push('newcomers: all hosts of a laboratory are in its servers.txt');
  if (faults.length > 0)
    throw new ToposphereError('BAD_ARGUMENT', `the laboratory cannot do this:\n${faults.join('\n')}`);
  const feasible = scenario.statements.flatMap(({ text: words, line, does }) =>
    isFeasible(does) ? [{ text: words, line, does }] : [],
  );
  const lines: readonly Line[] = [...feasible, ...rates].sort((a, b) => a.line - b.line);
  const full = lines.flatMap(({ does }) =>
    does.kind === 'disk' && does.state === 'full' ? [does.peer] : [],
  );
  return {
    ids: scenario.peers,
    seed: scenario.seed,
    settings: scenario.settings,
    lines,
    smallDisks: [...new Set(full)],
  };
}

type RateLine = Line & { readonly does: RateStatement };

/** The lines `rate …`, and the text without them, its lines numbered as before. */
function takeRates(
  text: string,
  faults: string[],
): { readonly rates: readonly RateLine[]; readonly rest: string } {
  const rates: RateLine[] = [];
  const rest = text.split('\n').map((words, index) => {
    if (!/^\s*rate\b/.test(words)) return words;
    const [, peers = '', number = '', unit = ''] =
      /^\s*rate (\S+) (?:off|(\d+)(kbit|mbit))\s*$/.exec(words) ?? [];
    if (peers === '')
      faults.push(
        `line ${index + 1}: '${words}' is not understood here: say rate alpha,beta 4mbit, or rate alpha off`,
      );
    const bytesPerSecond = (Number(number) * (unit === 'mbit' ? BITS.mbit : BITS.kbit)) / 8;
    const does = { kind: 'rate', peers: peers.split(','), bytesPerSecond } as const;
    if (peers !== '') rates.push({ text: words.trim(), line: index + 1, does });
    return '';
  });
  return { rates, rest: rest.join('\n') };
}

function isFeasible(does: Statement): does is FeasibleOf<Statement> {
  return !(does.kind in SIMULATED_ONLY);
}

/** Why a statement of the simulator's is none of a laboratory's; undefined when it is. */
function whyNot(does: Statement): string | undefined {
  const simulatedOnly: Partial<Readonly<Record<Statement['kind'], string>>> = SIMULATED_ONLY;
  if (!isFeasible(does)) return simulatedOnly[does.kind];
  if (does.kind === 'links' && does.quality.updateLoss !== undefined)
    return 'lose … of updates: they are sealed; say of multicast';
  if (does.kind === 'disk' && does.state !== 'full' && does.state !== 'ok')
    return `disk ${does.state}: a disk here can be full or ok`;
  if (does.kind === 'write' && does.replicated !== undefined) return simulatedOnly.expectFate;
  if (does.kind === 'expectValue' && does.isDropped)
    return 'dropped: a client cannot tell a tombstone from nothing; say absent';
  return undefined;
}
