/**
 * What `import … from 'toposphere/client'` gives: the sticky-session client, its types and its error.
 */
export { StickyClient } from './stickyClient.ts';
export type {
  ClientSession,
  ClientStats,
  ReadOptions,
  SetOptions,
  StickyClientEvents,
  WriteOptions,
} from './stickyClient.ts';
export type { BufferOptions, NearCacheOptions, StickyClientOptions, TlsOptions } from './options.ts';
export type { NearCacheCounts } from './nearCache.ts';
export type { ReadLevel, WriteLevel } from './levels.ts';
export type { BufferFailure } from './writeBuffer.ts';
export type { LatencySummary } from './latency.ts';
export type { Failover } from './roaming.ts';
export { ToposphereError, type ErrorCode } from '../core/errors.ts';
