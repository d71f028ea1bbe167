/**
 * What a part of the benchmark hands back, and how it is printed: tables, gates, verdicts.
 *
 * Owns the shapes and the layout. Leaves measuring to the parts and the arithmetic to statistics.ts. Invariant: a
 * gate without a figure is never `met`: it says why it has none.
 */
import { formatRatio } from './statistics.ts';

export interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  /** One cell a column; the first column is text, the others are figures. */
  readonly rows: readonly (readonly string[])[];
  /** Sentences below the table: what was left out, and why. */
  readonly notes: readonly string[];
}

/** A ratio that the project promised. */
export interface Gate {
  readonly name: string;
  /** NaN when it could not be measured; `why` says so then. */
  readonly value: number;
  readonly bound: { readonly kind: 'atLeast' | 'atMost'; readonly value: number };
  /** Both sides of the ratio, as text. */
  readonly sides: string;
  readonly why?: string;
}

export type Verdict = 'met' | 'missed' | 'skipped';

export interface PartResult {
  readonly sections: readonly Section[];
  readonly gates: readonly Gate[];
}

/** `skipped` when there is no figure; a figure on the bound itself is `met`. */
export function judgeGate(gate: Gate): Verdict {
  if (!Number.isFinite(gate.value)) return 'skipped';
  const isMet =
    gate.bound.kind === 'atLeast' ? gate.value >= gate.bound.value : gate.value <= gate.bound.value;
  return isMet ? 'met' : 'missed';
}

/** The table as text: first column to the left, figures to the right. */
export function formatTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const formatRow = (cells: readonly string[]): string =>
    widths
      .map((width, index) => {
        const cell = cells[index] ?? '';
        return index === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [formatRow(columns), rule, ...rows.map(formatRow)].join('\n');
}

/** `GET, pipeline 1: 0.91 (bound: at least 0.85): met`, with both sides. */
export function formatGate(gate: Gate): string {
  const bound = `${gate.bound.kind === 'atLeast' ? 'at least' : 'at most'} ${gate.bound.value}`;
  const verdict = judgeGate(gate);
  if (verdict === 'skipped') return `skipped  ${gate.name} (${bound}): ${gate.why ?? 'no figure'}`;
  return `${verdict.padEnd(7)}  ${gate.name}: ${formatRatio(gate.value)} (${bound}; ${gate.sides})`;
}

export function printPart({ sections, gates }: PartResult): void {
  for (const { title, columns, rows, notes } of sections) {
    print(`\n## ${title}`);
    if (rows.length > 0) print(formatTable(columns, rows));
    for (const note of notes) print(`note: ${note}`);
  }
  for (const gate of gates) print(`gate ${formatGate(gate)}`);
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
