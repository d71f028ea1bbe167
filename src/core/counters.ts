/**
 * What the core counts. Plain numbers, bumped in hot paths and read by status; one name per reason,
 * so that every dropped record can be accounted for.
 */

export interface CoreCounters {
  writesAccepted: number;
  writesRefusedClockAhead: number;
  updatesSent: number;
  recordsApplied: number;
  recordsOlder: number;
  /** R4 alarm: an update at or below the horizon for a key that is gone. */
  recordsBelowHorizon: number;
  naksSent: number;
  naksReceived: number;
  repairsMulticast: number;
  repairsUnicast: number;
  heartbeatsSent: number;
  syncsSent: number;
  syncRecordsSent: number;
  keepalivesSent: number;
  /** Dropped: this peer already holds the dot. */
  droppedDuplicate: number;
  /** Dropped: timestamp further ahead than the drift limit (section 8). */
  droppedAheadOfClock: number;
  /** Dropped: too much already remembered above the vector (section 5). */
  droppedGapLimit: number;
  /** Dropped: a sender that is no member. */
  droppedNotMember: number;
  /** Dropped: an UPDATE or NAK that makes no sense from this sender. */
  droppedMisdirected: number;
  /** Dropped: a NAK beyond the repair backlog. */
  droppedRepairBacklog: number;
}

export function createCounters(): CoreCounters {
  return {
    writesAccepted: 0,
    writesRefusedClockAhead: 0,
    updatesSent: 0,
    recordsApplied: 0,
    recordsOlder: 0,
    recordsBelowHorizon: 0,
    naksSent: 0,
    naksReceived: 0,
    repairsMulticast: 0,
    repairsUnicast: 0,
    heartbeatsSent: 0,
    syncsSent: 0,
    syncRecordsSent: 0,
    keepalivesSent: 0,
    droppedDuplicate: 0,
    droppedAheadOfClock: 0,
    droppedGapLimit: 0,
    droppedNotMember: 0,
    droppedMisdirected: 0,
    droppedRepairBacklog: 0,
  };
}
