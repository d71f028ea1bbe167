/**
 * A run as text: some samples of each phase, a line of bars that can be pasted into a note, the verdicts.
 *
 * Owns the layout. Invariant: bars are drawn from the highest that was seen, never from what lies between two samples.
 */
import { formatTable } from '../bench/report.ts';
import { PHASES, type PhaseName } from './plan.ts';
import {
  columnsOf,
  extremesOf,
  QUANTITIES,
  samplesOf,
  type PeerSample,
  type Quantity,
  type Sample,
  type Span,
} from './samples.ts';
import type { Amount } from './messages.ts';
import type { Verdict } from './verdicts.ts';

const BARS = '▁▂▃▄▅▆▇█';
const LINE_COLUMNS = 84;
/** Lines of the table for one phase: the first sample, the last, and some between. */
const SAMPLES_SHOWN = 4;

export const QUANTITY_NAMES: Readonly<Record<Quantity, string>> = {
  tableRows: 'table rows',
  tombstones: 'tombstones',
};

export function formatCount(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '-';
}

/** `12.3 MB`, `640 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function formatAmount({ count, bytes }: Amount): string {
  return `${formatCount(count)} ${formatBytes(bytes)}`;
}

function formatSpan({ low, high }: Span): string {
  return `${formatCount(low)}..${formatCount(high)}`;
}

const COLUMNS = [
  'phase',
  'updates',
  's',
  'peer',
  'table rows',
  'low..high since',
  'tombstones',
  'low..high since',
  'void ranges',
  'vector entries',
  'resident',
  'file',
  'rounds',
];

function buildRow(sample: Sample, id: string, peer: PeerSample): readonly string[] {
  const { figures, tableRows, tombstones, roundsLearned } = peer;
  return [
    sample.phase,
    formatCount(sample.updates),
    (sample.elapsedMs / 1000).toFixed(1),
    id,
    formatAmount(figures.tableRows),
    formatSpan(tableRows),
    formatAmount(figures.tombstones),
    formatSpan(tombstones),
    formatAmount(figures.voidRanges),
    formatAmount(figures.vectorEntries),
    formatBytes(figures.residentBytes),
    formatBytes(figures.fileBytes),
    formatCount(roundsLearned),
  ];
}

/** Evenly spread, with the first and the last. */
function pickShown(samples: readonly Sample[]): Sample[] {
  const most = Math.min(SAMPLES_SHOWN, samples.length);
  const indexes = Array.from({ length: most }, (_, at) =>
    Math.round((at * (samples.length - 1)) / Math.max(1, most - 1)),
  );
  return [...new Set(indexes)].flatMap((index) => samples[index] ?? []);
}

/** Some samples of each phase, a line a peer. `low..high since`: seen since the sample before, shown here or not. */
export function formatSamples(samples: readonly Sample[]): string {
  const rows = PHASES.flatMap((phase) =>
    pickShown(samplesOf(samples, phase)).flatMap((sample) =>
      Array.from(sample.peers, ([id, peer]) => buildRow(sample, id, peer)),
    ),
  );
  return formatTable(COLUMNS, rows);
}

/** Lowest and highest over all peers, of the whole of each phase and of its second half. */
export function formatExtremes(samples: readonly Sample[]): string {
  const rows = PHASES.map((phase) => [
    phase,
    ...QUANTITIES.flatMap((quantity) =>
      (['whole', 'second'] as const).map((half) =>
        formatSpan(extremesOf(samplesOf(samples, phase, half), quantity)),
      ),
    ),
  ]);
  const columns = QUANTITIES.flatMap((quantity) => [QUANTITY_NAMES[quantity], 'its second half']);
  return formatTable(['lowest..highest', ...columns], rows);
}

function numberOf(phase: PhaseName): string {
  return String(PHASES.indexOf(phase) + 1);
}

/** Both quantities over the updates, as bars, with the phases below. */
export function formatBars(samples: readonly Sample[]): readonly string[] {
  const lines = QUANTITIES.map((quantity) => {
    const columns = columnsOf(samples, quantity, LINE_COLUMNS);
    const top = Math.max(...columns.map(({ high }) => (Number.isNaN(high) ? 0 : high)), 1);
    let last = 0;
    const bars = columns.map(({ high }) => {
      if (!Number.isNaN(high)) last = high; // where no sample falls the line goes on
      return BARS[Math.min(BARS.length - 1, Math.floor((last / top) * BARS.length))] ?? '';
    });
    return `${QUANTITY_NAMES[quantity].padEnd(10)}  ${bars.join('')}  highest ${formatCount(top)}`;
  });
  let phase: PhaseName = PHASES[0];
  const ruler = columnsOf(samples, 'tableRows', LINE_COLUMNS).map((column) => {
    phase = column.phase ?? phase;
    return numberOf(phase);
  });
  const names = PHASES.map((name) => `${numberOf(name)} ${name}`).join(', ');
  return [...lines, `${'phase'.padEnd(10)}  ${ruler.join('')}  ${names}`];
}

export function formatVerdict({ phase, claim, isMet, sides }: Verdict): string {
  return `${isMet ? 'met   ' : 'MISSED'}  ${phase}: ${claim}: ${sides}`;
}
