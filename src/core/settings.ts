/**
 * Everything about the core that may be set, and every limit it keeps, each with unit and meaning.
 *
 * A simulator shrinks the limits to 3 or 4 so that they are hit; a deployment leaves them alone.
 * Nothing here is read from a file: the runtime validates and hands the values in.
 */

export interface CoreSettings {
  /** Milliseconds between KEEPALIVEs. Raising it saves packets and finds lost tails and dead peers later. */
  readonly keepaliveMs: number;
  /** Milliseconds between HEARTBEATs, each to two contacts. Raising it saves packets and slows the guaranteed repair. */
  readonly heartbeatMs: number;
  /** Milliseconds of silence after which a peer is presumed dead. At least three keepalives. */
  readonly deadAfterMs: number;
  /** Milliseconds a timestamp may lie ahead of the clocks here before its record is refused (section 8). */
  readonly maxDriftMs: number;
  /** Own updates after which a checkpoint round begins. Raising it makes rounds rarer and tables longer. */
  readonly gcUpdateCount: number;
  /** Milliseconds after which one begins when there is anything to collect. Raising it keeps tombstones longer. */
  readonly gcIntervalMs: number;
  /** Hash of what servers.txt says, unsigned 32 bits, 0 without one; told to the others so that a difference shows. */
  readonly serversHash: number;
  /**
   * Members are found by discovery, and no servers.txt lists them: whom this peer knows need not be all. So without state it never begins by itself
   * (R10), also when it knows nobody else, and believes a member of its cluster that counts it among the members.
   */
  readonly isUnlisted: boolean;
  readonly limits: CoreLimits;
}

export interface CoreLimits {
  /** Longest key, bytes: LMDB's 1,978 less room for our prefixes. */
  readonly maxKeyBytes: number;
  /** Longest value, bytes. */
  readonly maxValueBytes: number;
  /** Bytes of records a datagram may carry: 1,400 less the envelope. A longer record travels by stream. */
  readonly datagramBudgetBytes: number;
  /** Dots remembered above one origin's vector; beyond, an update is dropped and repaired later. */
  readonly maxDotsAboveVector: number;
  /** Intervals remembered above one origin's vector, likewise. */
  readonly maxGapIntervals: number;
  /** Milliseconds a gap is given to fill by itself before the first NAK: reordering. */
  readonly nakReorderMs: number;
  /** Random milliseconds added to every NAK, so that receivers do not ask in chorus. */
  readonly nakBackoffMs: number;
  /** Milliseconds before an unanswered NAK is repeated; doubles each time up to `nakRetryMaxMs`. */
  readonly nakRetryMs: number;
  readonly nakRetryMaxMs: number;
  /** NAKs to a silent origin before another peer that claims the dots is asked. */
  readonly nakSilentTries: number;
  /** Ranges in one NAK. */
  readonly maxNakRanges: number;
  /** Dots asked for in one NAK: what is missing beyond waits its turn. */
  readonly maxNakDots: number;
  /** More missing dots than this are left to HEARTBEAT and its stream. */
  readonly maxNakBacklog: number;
  /** Milliseconds the origin gathers NAKs before it answers them together. */
  readonly repairMergeMs: number;
  /** Dots waiting to be repaired; beyond, NAKs are dropped (they are repeated). */
  readonly maxPendingRepairs: number;
  /** Repair datagrams sent in one go, then a pause of `repairPauseMs`: a receive buffer that overflows loses more than it gains. */
  readonly maxRepairDatagrams: number;
  readonly repairPauseMs: number;
  /** Milliseconds a dot is given to arrive by itself before a HEARTBEAT that lacks it is answered with it. */
  readonly settleMs: number;
  /** An answer to a HEARTBEAT longer than this, in bytes, is offered, and goes over TCP when it is pulled. */
  readonly streamThresholdBytes: number;
  /** Bytes of records in one part of a catch-up, about; a longer value is one part. */
  readonly maxAnswerBytes: number;
  /** Gap intervals claimed in one vector, all origins together. */
  readonly maxVectorGaps: number;
  /** Dots of one catch-up: each key of them travels once. What is beyond comes with the next one. Raising it costs the giver memory. */
  readonly maxAnswerDots: number;
  /** Peers of the shuffled round contacted at each HEARTBEAT, beside the successor on the ring. Raising it spreads news in fewer periods; 0 leaves the ring alone, which two rings joined by one link need more than. */
  readonly shuffledContacts: number;
  /** Rows of one update table at which its older half is let go though not everybody is known to have it. Raising it costs disk, and spares a checkpoint to who was away. */
  readonly maxTableRows: number;
  /** Alarms of R4 remembered; beyond, an update that comes too late is dropped unrecorded, and comes again. */
  readonly maxAlarms: number;
  /** Milliseconds that the record of an executed request is kept: a client sends nothing anew after that. Raising it costs memory and disk for each of them. */
  readonly requestsKeptMs: number;
  /** Records of requests held, whoever executed them; beyond, requests with an id are refused. Raising it costs memory and disk. */
  readonly maxRequests: number;
  /** Cells of counters held, whoever counted; beyond, what would make another is refused. Raising it costs memory and disk. */
  readonly maxCounterCells: number;
  /** Bytes of what one group of writes (a transaction) holds: at most what one message does. Raising it keeps others waiting for longer turns. */
  readonly maxGroupBytes: number;
  /** Bytes of a reply that are kept in a record; of a longer one only that it was given. */
  readonly maxRecordedReplyBytes: number;
  /** Entries looked at in one slice of a sweep for tombstones. */
  readonly sweepEntries: number;
  /** Keys that expire next, remembered by when they are due, at least so many and up to twice that; later ones are found by a walk through the store. */
  readonly maxQueuedExpiries: number;
  /** Milliseconds before a member that has not answered PREPARE is asked again. */
  readonly roundRetryMs: number;
  /** Milliseconds without any part of a checkpoint, or the first one of a catch-up, before another member is asked for one. Less than a part takes on the slowest link, and it never comes. */
  readonly joinRetryMs: number;
  /** Bytes of one part of a checkpoint, about; a longer value is one part. */
  readonly checkpointPartBytes: number;
  /** Bytes of a checkpoint that a member keeps until all of it is there; more is not joined. Who takes no part joins the parts as they come. */
  readonly maxCheckpointBytes: number;
  /** Parts of a checkpoint, or of a catch-up, on their way at once. Raising it fills slower links, and costs both sides memory. */
  readonly transferWindow: number;
  /** Bytes of checkpoints that leave in a second, all together. Raising it lets others join sooner, and leaves less of a link to what else is said. */
  readonly transferBytesPerSecond: number;
  /** Peers that are given a checkpoint at once, and that are given a catch-up; others are told to ask elsewhere. */
  readonly maxTransfers: number;
  /** Milliseconds without a part more having come before a snapshot is let go (I14). Until then a broken transfer goes on where it stopped. */
  readonly transferIdleMs: number;
  /** Questions to a majority open at once (registers); more are refused. */
  readonly maxQuestions: number;
  /** Milliseconds before whoever has not answered is asked again; doubles each time up to `questionRetryMaxMs`. */
  readonly questionRetryMs: number;
  readonly questionRetryMaxMs: number;
  /** Milliseconds before members that have not said that they hold what a write waits for are asked again; doubles each time up to `askAgainMaxMs`. */
  readonly askAgainMs: number;
  readonly askAgainMaxMs: number;
  /** Writes that wait for other disks at once; beyond, one that would is refused. */
  readonly maxReplicationWaits: number;
  /** Longest message with its channel that is published, bytes. */
  readonly maxPublishBytes: number;
  /** Milliseconds that a published message is kept to be repaired, and that what came behind a missing one waits for it. Raising it repairs longer cuts, and delays what comes behind what is lost for good. */
  readonly publishKeptMs: number;
  /** Bytes of messages kept to be repaired, and of those of one other peer that wait for a missing one. */
  readonly publishKeptBytes: number;
  /** The same, number of messages; what is missing further back is given up. */
  readonly maxPublishKept: number;
  /** Every so manieth turn of the shuffled contact goes to a peer presumed dead, when one is drawn. */
  readonly deadContactEvery: number;
}

export const defaultLimits: CoreLimits = Object.freeze({
  maxKeyBytes: 1900,
  maxValueBytes: 16 * 1024 * 1024,
  datagramBudgetBytes: 1300,
  maxDotsAboveVector: 65_536,
  maxGapIntervals: 256,
  nakReorderMs: 2,
  nakBackoffMs: 2,
  nakRetryMs: 12,
  nakRetryMaxMs: 500,
  nakSilentTries: 2,
  maxNakRanges: 64,
  maxNakDots: 1024,
  maxNakBacklog: 2048,
  repairMergeMs: 3,
  maxPendingRepairs: 16_384,
  maxRepairDatagrams: 64,
  repairPauseMs: 2,
  settleMs: 100,
  streamThresholdBytes: 8 * 1300,
  maxAnswerBytes: 128 * 1024,
  maxVectorGaps: 16_384,
  maxAnswerDots: 131_072,
  maxTableRows: 1_000_000,
  maxAlarms: 4096,
  requestsKeptMs: 600_000,
  maxRequests: 1_000_000,
  maxCounterCells: 1_000_000,
  maxGroupBytes: 8 * 1024 * 1024,
  maxRecordedReplyBytes: 512,
  sweepEntries: 1000,
  maxQueuedExpiries: 32_768,
  roundRetryMs: 250,
  joinRetryMs: 5000,
  checkpointPartBytes: 256 * 1024,
  maxCheckpointBytes: 512 * 1024 * 1024,
  transferWindow: 8,
  transferBytesPerSecond: Infinity,
  maxTransfers: 2,
  transferIdleMs: 30_000,
  askAgainMs: 25,
  askAgainMaxMs: 250,
  maxReplicationWaits: 65_536,
  shuffledContacts: 1,
  maxQuestions: 1024,
  questionRetryMs: 25,
  questionRetryMaxMs: 400,
  maxPublishBytes: 1024 * 1024,
  publishKeptMs: 2000,
  publishKeptBytes: 16 * 1024 * 1024,
  maxPublishKept: 16_384,
  deadContactEvery: 4,
});

export const defaultSettings: CoreSettings = Object.freeze({
  keepaliveMs: 250,
  heartbeatMs: 500,
  deadAfterMs: 2000,
  maxDriftMs: 500,
  gcUpdateCount: 20_000,
  gcIntervalMs: 30_000,
  serversHash: 0,
  isUnlisted: false,
  limits: defaultLimits,
});
