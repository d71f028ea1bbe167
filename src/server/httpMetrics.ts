/**
 * The numbers of one peer in Prometheus' text format.
 *
 * Owns the registry, and that nothing is done for it between two scrapes: hot paths bump their own plain numbers, which
 * are read here. Which metrics there are is httpMetricRows.ts's. Invariant: a scrape is of one moment, and however often
 * it is asked, numbers are gathered no more often than every COLLECT_EVERY_MS.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { PeerDescription } from '../peer/backend.ts';
import { buildRows, type MetricRow, type Moment, type Sample } from './httpMetricRows.ts';
import type { ServerCounters } from './serverCounters.ts';
import type { TrackingReport } from './tracking.ts';

/** Who asks again within this many milliseconds is given the same text: gathering costs the time of clients. */
export const COLLECT_EVERY_MS = 200;

export interface ClientFigures {
  readonly counters: Readonly<ServerCounters>;
  readonly connectionCount: () => number;
  readonly tracking: () => TrackingReport;
}

export interface Metrics {
  readonly contentType: string;
  readonly collect: () => Promise<string>;
}

export function createMetrics(peer: { describe(): PeerDescription }, clients: ClientFigures): Metrics {
  const registry = new Registry();
  const takeMoment = (loopLagMs: number): Moment => ({
    peer: peer.describe(),
    clients: clients.counters,
    clientCount: clients.connectionCount(),
    tracking: clients.tracking(),
    loopLagMs,
  });
  const updates = buildRows(takeMoment(0)).map((row) => register(registry, row));
  let collectedMs = -Infinity;
  let text: Promise<string> = Promise.resolve('');

  async function gather(): Promise<string> {
    const moment = takeMoment(await measureLoopLag());
    for (const update of updates) update(moment);
    return registry.metrics();
  }

  return {
    contentType: registry.contentType,
    collect: () => {
      if (performance.now() - collectedMs >= COLLECT_EVERY_MS) {
        collectedMs = performance.now();
        text = gather();
      }
      return text;
    },
  };
}

/** How late what was due at once comes to run, milliseconds. */
function measureLoopLag(): Promise<number> {
  const askedMs = performance.now();
  return new Promise((resolve) => {
    setImmediate(() => {
      resolve(performance.now() - askedMs);
    });
  });
}

/** Answers the function that takes a row's numbers over. */
function register(registry: Registry, row: MetricRow): (moment: Moment) => void {
  const options = { name: row.name, help: row.help, labelNames: row.labels ?? [], registers: [registry] };
  const metric = row.kind === 'counter' ? new Counter(options) : new Gauge(options);
  return (moment) => {
    metric.reset();
    const samples = row.read(moment);
    // Without labels a reset metric stands at 0: what is not known is not said.
    if (samples.length === 0 && row.labels === undefined) metric.remove();
    for (const sample of samples) set(metric, sample);
  };
}

function set(metric: Counter | Gauge, { labels = {}, value }: Sample): void {
  metric.inc(labels, value);
}
