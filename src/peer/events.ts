/**
 * Every event that a peer logs, with its level and its meaning: the one list.
 *
 * Owns the names, which are for machines that read the log and for alerts: they stay when a sentence is worded anew.
 * The sentences are said where things happen (what the core notices: notices.ts). Invariant: whatever is logged is
 * named here, and whatever is named here is logged somewhere.
 */

/** `warn` is for what an operator may have to do something about. */
export type EventLevel = 'info' | 'warn';

export interface EventDescription {
  readonly level: EventLevel;
  readonly meaning: string;
}

// prettier-ignore
export const EVENTS = {
  ready: { level: 'info', meaning: 'the peer serves clients' },
  restarting: { level: 'warn', meaning: 'the others know a later start of this peer than its disk does: it starts again' },
  reloadFailed: { level: 'warn', meaning: 'servers.txt, the cluster key file, or a file of what Redis clients give, was to be read again and was refused; nothing changed' },
  stopIncomplete: { level: 'warn', meaning: 'a step of the ending failed or took too long, and was given up' },

  peerAlive: { level: 'info', meaning: 'a member is heard and hears this peer' },
  peerDead: { level: 'warn', meaning: 'a member is not heard any more, or does not hear this peer' },
  peerLeft: { level: 'info', meaning: 'a member was stopped, and said so' },
  admitted: { level: 'info', meaning: 'a member more' },
  forgotten: { level: 'warn', meaning: 'a member was forgotten for good' },
  selfForgotten: { level: 'warn', meaning: 'the others have forgotten this peer: it takes no writes' },
  startedApart: { level: 'warn', meaning: 'a member was started apart from this peer and both hold data: nothing passes between them' },
  versionsApart: { level: 'warn', meaning: 'a member reads no version of the protocol that this peer reads: nothing passes between them' },
  versionsShared: { level: 'info', meaning: 'a member reads a version of the protocol that this peer reads, as it did not before' },
  serversDiffer: { level: 'warn', meaning: "a member's servers.txt says something else than ours" },
  serversReread: { level: 'info', meaning: 'servers.txt was read again' },
  keysReread: { level: 'info', meaning: 'the cluster key file was read again' },
  certificateReread: { level: 'info', meaning: 'the certificate that Redis clients are shown was read again' },
  usersReread: { level: 'info', meaning: 'the users file of Redis clients was read again' },
  passwordReread: { level: 'info', meaning: 'the file with the password of Redis clients was read again' },

  waitsToBegin: { level: 'info', meaning: 'a peer without data and without a servers.txt waits to be admitted, or to be told to begin' },
  discovered: { level: 'info', meaning: 'a peer of this cluster was discovered that is no member: it is proposed' },
  discoveredAdmitted: { level: 'info', meaning: 'a peer that was discovered is admitted, for it proved the cluster key' },
  unprovedDiscovered: { level: 'warn', meaning: 'somebody says that it is of this cluster, and does not prove the cluster key' },
  discoveredUnplaceable: { level: 'warn', meaning: 'a peer was discovered where no servers.txt could have it beside the others: it is not admitted, or not sent to there' },
  memberFound: { level: 'info', meaning: 'where a member is was not known, or has changed: discovery found it' },
  knownServersUnusable: { level: 'warn', meaning: 'the file of discovered addresses, or a line of it, cannot be used, or not be written' },

  clockAhead: { level: 'warn', meaning: "this clock is ahead of the others': writes are refused" },
  clockBehind: { level: 'warn', meaning: "this clock is behind the others': writes are stamped by theirs" },
  clockRight: { level: 'info', meaning: 'this clock agrees with the others again' },
  recordAheadOfClock: { level: 'warn', meaning: 'an update waits until its time has come' },
  writeBelowHorizon: { level: 'warn', meaning: 'an update came too late to be applied (R4)' },
  requestExecutedTwice: { level: 'warn', meaning: 'two records of one request met that were made by two executions: a client gave its id twice, or did not say that it sends it again' },

  began: { level: 'info', meaning: 'no peer has any data: this one begins' },
  bootstrapped: { level: 'warn', meaning: 'told by an operator to take part with what this disk holds' },
  mustJoin: { level: 'warn', meaning: 'this peer takes no writes until it has joined' },
  joinWaits: { level: 'warn', meaning: "a join waits for this clock or the others' time to come" },
  joined: { level: 'info', meaning: 'a checkpoint was joined' },
  roundRefused: { level: 'info', meaning: 'a checkpoint round was refused and will be tried again' },
  checkpointTooLarge: { level: 'warn', meaning: 'what a member holds is more than maxCheckpointBytes: it cannot be taken in' },

  storeDamaged: { level: 'warn', meaning: 'a damaged store was moved aside: this peer begins empty and joins' },
  diskLow: { level: 'warn', meaning: 'less free space than minFreeBytes: writes are refused' },
  diskRoomAgain: { level: 'info', meaning: 'there is room on the disk again' },
  checkpointFailed: { level: 'warn', meaning: 'a checkpoint file could not be written' },
  checkpointUnusable: { level: 'warn', meaning: 'a checkpoint file is damaged or of another cluster' },

  networkFault: { level: 'warn', meaning: 'a fault of the network, said at its 1st, 10th, 100th time; `fault` names it' },
} as const satisfies Record<string, EventDescription>;

export type EventName = keyof typeof EVENTS;
