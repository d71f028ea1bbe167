/**
 * What the core counts. Plain numbers, bumped in hot paths and read by status; one name per reason,
 * so that every dropped record can be accounted for.
 */

export interface CoreCounters {
  writesAccepted: number;
  writesRefusedClockAhead: number;
  /** Writes of a transaction that had no room in one message with the rest of it. */
  writesRefusedGroupFull: number;
  updatesSent: number;
  /** Groups that outgrew a datagram and went by stream. */
  groupsStreamed: number;
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
  /** Catch-ups given: what a peer lacks that is more than a few datagrams. */
  catchUpsGiven: number;
  keepalivesSent: number;
  roundsBegun: number;
  roundsRefused: number;
  /** COMMITs taken in, those of other coordinators included. */
  roundsLearned: number;
  /** Promises and horizons that were too far ahead of the clocks to be believed (section 8). */
  promisesAhead: number;
  /** Incarnations so high that nobody can have drawn them. */
  incarnationsRefused: number;
  /** Cells of counters: of former incarnations, taken into the own; and that could never count again, deleted. */
  cellsAbsorbed: number;
  cellsCleaned: number;
  tombstonesDropped: number;
  /** Tables cut because they grew too long while a round waited. */
  tablesTrimmed: number;
  checkpointsAsked: number;
  checkpointsGiven: number;
  checkpointsJoined: number;
  /** Records ahead of the clock that a checkpoint brought: writes to their keys are refused until their time has come. */
  recordsJoinedAhead: number;
  /** R9: a key that only this peer had, where horizon and dots gave different answers. Never, or a rule is broken. */
  joinDisagreements: number;
  /** Values noticed to have expired. */
  entriesExpired: number;
  /** Own writes stamped anew because they came too late elsewhere (R4). */
  writesRestamped: number;
  writesRefusedNotJoined: number;
  /** Requests with an id that were executed here, and that were refused because as many as may be are remembered. */
  requestsExecuted: number;
  requestsRefusedFull: number;
  /** Records of one request that met here and were made by two executions (I13): a client gave its id twice, or did not say that it sends it again. */
  requestsExecutedTwice: number;
  /** Alarms whose horizon was too far ahead of the clocks to be stamped above (section 8). */
  alarmsAhead: number;
  /** Records of a register's question or answer that could not be taken: it is asked again. */
  fetchedRefused: number;
  /** Writes that waited for other disks, and became known to be there in time, or did not. */
  replicationsReached: number;
  replicationsUnknown: number;
  asksSent: number;
  heldsSent: number;
  /** PUBLISH here, and refused because the message is too long. */
  messagesPublished: number;
  publishesRefused: number;
  /** Messages of other peers given to whoever listens here; those that did not come while they were of use. */
  messagesDelivered: number;
  messagesGivenUp: number;
  /** Messages that had come before, or came before this process began to listen. */
  messagesDuplicate: number;
  /** Messages that came ahead of missing ones, beyond the room for such. */
  messagesWithoutRoom: number;
  messagesRepaired: number;
  missesSent: number;
  missesReceived: number;
  /** Dropped: this peer already holds the dot. */
  droppedDuplicate: number;
  /** Dropped: timestamp further ahead than the drift limit (section 8). */
  droppedAheadOfClock: number;
  /** Dropped: too much already remembered above the vector (section 5). */
  droppedGapLimit: number;
  /** Dropped: at or below the horizon, and as many alarms remembered as may be (R4). */
  droppedAlarmLimit: number;
  /** Dropped: a sender that is no member. */
  droppedNotMember: number;
  /** Dropped: an UPDATE, NAK, ASK, HELD, PUBLISH or MISS that makes no sense from this sender. */
  droppedMisdirected: number;
  /** Dropped: of an incarnation below its fence (R7). */
  droppedFenced: number;
  /** Dropped: this peer has not joined yet (R10). */
  droppedNotJoined: number;
  /** Dropped: a record whose winner is void (R4). */
  droppedVoid: number;
  /** Dropped: of a peer that was started apart from this one. */
  droppedSeparate: number;
  /** Dropped: what somebody asked for who has left since. */
  droppedLeft: number;
  /** Dropped: a record of a dot that stands for something else here (I1). Never, or a peer is defective. */
  droppedContradiction: number;
  /** Dropped: a NAK beyond the repair backlog. */
  droppedRepairBacklog: number;
}

export function createCounters(): CoreCounters {
  return {
    writesAccepted: 0,
    writesRefusedClockAhead: 0,
    writesRefusedGroupFull: 0,
    updatesSent: 0,
    groupsStreamed: 0,
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
    catchUpsGiven: 0,
    keepalivesSent: 0,
    roundsBegun: 0,
    roundsRefused: 0,
    roundsLearned: 0,
    promisesAhead: 0,
    incarnationsRefused: 0,
    cellsAbsorbed: 0,
    cellsCleaned: 0,
    tombstonesDropped: 0,
    tablesTrimmed: 0,
    checkpointsAsked: 0,
    checkpointsGiven: 0,
    checkpointsJoined: 0,
    recordsJoinedAhead: 0,
    joinDisagreements: 0,
    entriesExpired: 0,
    writesRestamped: 0,
    writesRefusedNotJoined: 0,
    requestsExecuted: 0,
    requestsRefusedFull: 0,
    requestsExecutedTwice: 0,
    alarmsAhead: 0,
    fetchedRefused: 0,
    replicationsReached: 0,
    replicationsUnknown: 0,
    asksSent: 0,
    heldsSent: 0,
    messagesPublished: 0,
    publishesRefused: 0,
    messagesDelivered: 0,
    messagesGivenUp: 0,
    messagesDuplicate: 0,
    messagesWithoutRoom: 0,
    messagesRepaired: 0,
    missesSent: 0,
    missesReceived: 0,
    droppedDuplicate: 0,
    droppedAheadOfClock: 0,
    droppedGapLimit: 0,
    droppedAlarmLimit: 0,
    droppedNotMember: 0,
    droppedMisdirected: 0,
    droppedFenced: 0,
    droppedNotJoined: 0,
    droppedVoid: 0,
    droppedSeparate: 0,
    droppedLeft: 0,
    droppedContradiction: 0,
    droppedRepairBacklog: 0,
  };
}
