/**
 * What embeddedProbe.ts is told on its command line and what it hands back: plain data between two processes.
 *
 * Owns the shapes alone. Invariant: both sides of a row were measured in the same process, round by round in turn.
 */

/** The probe's first argument, as JSON. */
export interface EmbeddedTask {
  readonly servers: string;
  readonly dataDirectory: string;
  readonly clusterId: string;
  readonly multicastGroup: string;
  readonly multicastPort: number;
  /** Folder of the bare lmdb database. */
  readonly bareDirectory: string;
  readonly keys: number;
  readonly rounds: number;
  readonly writeMs: number;
}

export interface EmbeddedRow {
  readonly name: string;
  readonly bareName: string;
  /** Operations per second, one a round. */
  readonly peer: readonly number[];
  readonly bare: readonly number[];
}

export interface EmbeddedAnswer {
  readonly kind: 'embedded';
  readonly rows: readonly EmbeddedRow[];
  /** The row that the gate is about. */
  readonly coldGet: EmbeddedRow;
}
