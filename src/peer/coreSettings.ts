/** A peer's options as the protocol core takes them. */
import { defaultLimits, type CoreSettings } from '../core/settings.ts';
import { fnv1a } from '../core/vectorHash.ts';
import type { PeerOptions } from './configuration.ts';
import { canonicalServersText } from './serversFile.ts';

export function coreSettings(options: PeerOptions): CoreSettings {
  const isUnlisted = options.discovery?.isUnlisted === true;
  return {
    keepaliveMs: options.keepaliveMs,
    heartbeatMs: options.heartbeatMs,
    deadAfterMs: options.deadAfterMs,
    maxDriftMs: options.maxDriftMs,
    gcUpdateCount: options.gcUpdateCount,
    gcIntervalMs: options.gcIntervalMs,
    serversHash: isUnlisted ? 0 : fnv1a(canonicalServersText(options.servers)),
    isUnlisted,
    limits: {
      ...defaultLimits,
      maxValueBytes: options.maxValueBytes,
      maxTableRows: options.maxTableRows,
      requestsKeptMs: options.requestsKeptMs,
      maxRequests: options.maxRequests,
      maxCounterCells: options.maxCounterCells,
      maxGroupBytes: options.maxTransactionBytes,
      maxCheckpointBytes: options.maxCheckpointBytes,
      maxPublishBytes: options.maxPublishBytes,
      publishKeptMs: options.publishKeptMs,
      publishKeptBytes: options.publishKeptBytes,
      transferBytesPerSecond: rateOf(options.transferBytesPerSecond),
    },
  };
}

/** To one joiner a part takes less than it is waited for (`joinRetryMs`), the longest value too. */
const LEAST_BYTES_PER_SECOND = 4 * 1024 * 1024;

function rateOf(bytesPerSecond: number): number {
  return bytesPerSecond === 0 ? Infinity : Math.max(bytesPerSecond, LEAST_BYTES_PER_SECOND);
}
