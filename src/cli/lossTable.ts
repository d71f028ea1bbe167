/**
 * What simulated clusters lost of what was acknowledged, by acknowledgement level, as `toposphere simulate` prints it.
 *
 * Owns the words and columns; what counts as lost is src/simulator/lossTally.ts's.
 */
import type { LossRow } from '../simulator/lossTally.ts';

const HEAD = ['acknowledged as', 'writes', 'lost', 'of these with the disks lost'] as const;

/** Lines of a table; none when nothing was acknowledged. */
export function formatLosses(rows: readonly LossRow[]): readonly string[] {
  if (rows.length === 0) return [];
  const cells = [
    HEAD,
    ...rows.map(({ level, ...counts }) => [
      level,
      `${counts.acknowledged}`,
      `${counts.lost}`,
      `${counts.lostWithDisks}`,
    ]),
  ];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map(
    (row) =>
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`,
  );
}
