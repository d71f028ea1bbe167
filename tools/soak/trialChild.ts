/**
 * The child: runs one simulation after the other as it is asked to, in the copy of the build that it lies in.
 *
 * Owns nothing but that. Made into JavaScript beside the build (buildCopy.ts), so the imports below are the copy's. Keeps: it ends
 * when its parent is gone.
 */
import { generateSchedule, peerNames } from '../../src/simulator/generate.ts';
import { runSchedule } from '../../src/simulator/run.ts';
import type { RunResult } from '../../src/simulator/run.ts';
import { runScenario } from '../../src/simulator/scenario.ts';
import { parseScenario } from '../../src/simulator/scenarioParser.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import type { Ran, Refused, Trial, TrialReady, TrialReport, TrialRequest } from './trial.ts';

const hashing = await loadHashing();

function summarize(result: RunResult, peers: number): Ran {
  const { failure, traceHash, steps, virtualMs, written, convergedMs, registers = [] } = result;
  return {
    kind: 'ran',
    traceHash,
    steps,
    peerMs: virtualMs * peers,
    written,
    ...(failure === undefined ? {} : { failure }),
    ...(failure !== undefined || registers.length === 0 ? {} : { registers }),
    ...(convergedMs === undefined ? {} : { convergedMs }),
  };
}

function runTrial(trial: Trial): Ran {
  if (trial.kind === 'scenario') {
    const { peers } = parseScenario(trial.text, peerNames);
    return summarize(runScenario(trial.text, { hashing }), peers.length);
  }
  const schedule = generateSchedule({ ...trial.options, seed: trial.seed });
  const result = runSchedule(schedule, { hashing });
  const ran = summarize(result, schedule.peers.length);
  if (trial.isRepeated !== true || result.failure !== undefined) return ran;
  const { traceHash } = runSchedule(schedule, { hashing });
  if (traceHash === result.traceHash) return ran;
  const detail = `two runs of one schedule have the traces ${result.traceHash} and ${traceHash}`;
  return {
    ...ran,
    failure: { invariant: 'determinism', detail, atMs: result.virtualMs, step: result.steps },
  };
}

function attempt(trial: Trial): Ran | Refused {
  try {
    return runTrial(trial);
  } catch (error) {
    return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
  }
}

function tell(message: TrialReady | TrialReport): void {
  process.send?.(message);
}

process.on('message', ({ trial }: TrialRequest) => {
  tell({ kind: 'report', outcome: attempt(trial) });
});
process.once('disconnect', () => {
  process.exit(0);
});
tell({ kind: 'ready' });
