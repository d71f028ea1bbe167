/**
 * What `import … from 'toposphere'` gives: the embedded peer, its types and its error.
 */
export { Peer } from './peer/peer.ts';
export type { Change } from './peer/change.ts';
export type { Published } from './peer/channels.ts';
export type { SetOptions, WriteOptions } from './peer/writeOptions.ts';
export type { Register, RegisterOptions, RegisterReadOptions } from './peer/register.ts';
export type { ReadLevel } from './peer/backend.ts';
export type { Session, SessionOptions } from './peer/session.ts';
export type { RangeEntry, RangeOptions } from './peer/keyRange.ts';
export type { AcknowledgementLevel } from './peer/backend.ts';
export type { ReplicatedLevel } from './peer/replicated.ts';
export type { PeerOptions } from './peer/configuration.ts';
export { EVENTS, type EventDescription, type EventLevel, type EventName } from './peer/events.ts';
export type { EventFields, Logger, LogRecord } from './peer/logger.ts';
export type { PeerSettings as Settings } from './peer/tunables.ts';
export type { Digest } from './peer/digest.ts';
export type { KeyInput, ValueInput } from './peer/keys.ts';
export type { MemberStatus, PeerStatus } from './peer/status.ts';
export { ToposphereError, type ErrorCode } from './core/errors.ts';
