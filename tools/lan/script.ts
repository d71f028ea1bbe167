/**
 * Scenarios in the simulator's language, as far as a laboratory can carry them out, and one statement of its own: `rate alpha 4mbit`.
 *
 * Owns what is refused, and why, before anything begins: all faults of a text together, each with its line. The grammar is the simulator's. What a sealed
 * datagram hides (its kind) no switch can lose, and real clocks and disks do not do as they are told.
 */
import { ToposphereError } from '../../src/core/errors.ts';
import { TUNABLES, type Settings } from '../../src/peer/tunables.ts';
import { parseScenario } from '../../src/simulator/scenarioParser.ts';
import type { Statement } from '../../src/simulator/scenarioStatement.ts';
import { peerNames } from '../../src/simulator/generate.ts';

/** What a card may send; 0: as much as it likes. */
export interface RateStatement {
  readonly kind: 'rate';
  readonly peers: readonly string[];
  readonly bytesPerSecond: number;
}

export interface Line {
  readonly text: string;
  readonly line: number;
  readonly does: Statement | RateStatement;
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
    if (!(name in TUNABLES)) faults.push(`settings ${name}: no setting of \`toposphere serve\``);
  }
  if (Object.keys(scenario.limits).length > 0) faults.push('limits: a shipped peer keeps its own');
  if (scenario.newcomers.length > 0)
    faults.push('newcomers: all hosts of a laboratory are in its servers.txt');
  if (faults.length > 0)
    throw new ToposphereError('BAD_ARGUMENT', `the laboratory cannot do this:\n${faults.join('\n')}`);
  const lines = [...scenario.statements, ...rates].sort((a, b) => a.line - b.line);
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

/** Why a statement of the simulator's is none of a laboratory's; undefined when it is. */
function whyNot(does: Statement): string | undefined {
  switch (does.kind) {
    case 'loseKind':
      return 'what a sealed datagram says is not to be seen on the wire: lose a share of all, or of multicast';
    case 'links':
      return does.quality.updateLoss === undefined
        ? undefined
        : 'lose … of updates: they are sealed; say of multicast';
    case 'disk':
      return does.state === 'full' || does.state === 'ok'
        ? undefined
        : `disk ${does.state}: a disk here can be full or ok`;
    case 'expectValue':
      return does.isDropped
        ? 'dropped: a client cannot tell a tombstone from nothing; say absent'
        : undefined;
    case 'powerOff':
      return 'power off: what the system has taken outlives a process; say crash';
    case 'backUp':
    case 'rollBack':
    case 'admit':
    case 'bootstrap':
    case 'forget':
    case 'twin':
    case 'endTwin':
    case 'clock':
    case 'stray':
      return `${does.kind}: not in the laboratory, only simulated`;
    default:
      return undefined;
  }
}
