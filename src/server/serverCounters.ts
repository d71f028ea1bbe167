/**
 * What a Redis server counts: plain numbers, bumped in hot loops and read by INFO, status and metrics.
 *
 * Owns the names. Every reason for dropping a request or closing a connection has its own, so that none
 * happens unseen. Counters only grow while the server lives.
 */
export interface ServerCounters {
  connectionsAccepted: number;
  /** Refused because `maxClients` were connected. */
  connectionsRejected: number;
  /** Refused: from another machine, where nobody asks for a password and nobody said that it may be so. */
  protectedModeRefused: number;
  /** Closed: the handshake of TLS failed or took too long. */
  tlsHandshakesFailed: number;
  commandsProcessed: number;
  /** Requests answered with an error. */
  commandsRefused: number;
  /** Passwords that were wrong. */
  authenticationsFailed: number;
  /** Refused: a user without the right to a command, or to a key or channel. */
  commandsDenied: number;
  keysDenied: number;
  /** Closed: its user is gone from the users file, or may do something else now. */
  userChangedClosed: number;
  /** Closed: no password was given in time. */
  authenticationTimedOut: number;
  /** Closed: `maxClients` were connected, and of those without the password it was the one that had been there longest. */
  unauthenticatedDisplaced: number;
  keyspaceHits: number;
  keyspaceMisses: number;
  bytesReceived: number;
  bytesSent: number;
  /** Closed: bytes that are no request. */
  protocolErrors: number;
  /** Closed: a web browser, or someone using one, spoke HTTP. */
  httpDropped: number;
  /** Closed: one request, or all unfinished ones together, longer than the limit. */
  inputLimitClosed: number;
  /** Closed: the client did not read its replies, or asked for one longer than the limit. */
  outputLimitClosed: number;
  /** Closed: it listens to channels, and did not take what it was told. */
  subscriberLimitClosed: number;
  /** Closed: CLIENT KILL. */
  clientsKilled: number;
  /** Closed: silent for longer than `clientIdleMs`. */
  idleClosed: number;
  /** Closed: took nothing of what waited for it for longer than `clientStalledMs`. */
  stalledClosed: number;
  /** Closed: what waited for all clients was too much, and most of it was this one's. */
  outputTotalClosed: number;
  /** Closed: writes whose acknowledgement level will not be reached. */
  acknowledgementFailed: number;
  /** The socket failed under the connection. */
  socketErrors: number;
  /** Frames that told clients of changed keys (CLIENT TRACKING). */
  invalidationsSent: number;
  /** Keys that clients were told of, unchanged, because too many were remembered. */
  trackedKeysEvicted: number;
  /** EXECs that ran; that ran nothing because a watched key had changed; that were refused for an error before them. */
  transactionsExecuted: number;
  transactionsOvertaken: number;
  transactionsAborted: number;
  /** Transactions, and WATCHes, that were refused because they would have taken too many bytes. */
  transactionsTooLarge: number;
  /** Times that reading was stopped because the client did not read, or the disk did not keep up. */
  readingPaused: number;
}

export function createServerCounters(): ServerCounters {
  return {
    connectionsAccepted: 0,
    connectionsRejected: 0,
    protectedModeRefused: 0,
    tlsHandshakesFailed: 0,
    commandsProcessed: 0,
    commandsRefused: 0,
    authenticationsFailed: 0,
    commandsDenied: 0,
    keysDenied: 0,
    userChangedClosed: 0,
    authenticationTimedOut: 0,
    unauthenticatedDisplaced: 0,
    keyspaceHits: 0,
    keyspaceMisses: 0,
    bytesReceived: 0,
    bytesSent: 0,
    protocolErrors: 0,
    httpDropped: 0,
    inputLimitClosed: 0,
    outputLimitClosed: 0,
    subscriberLimitClosed: 0,
    clientsKilled: 0,
    idleClosed: 0,
    stalledClosed: 0,
    outputTotalClosed: 0,
    acknowledgementFailed: 0,
    socketErrors: 0,
    invalidationsSent: 0,
    trackedKeysEvicted: 0,
    transactionsExecuted: 0,
    transactionsOvertaken: 0,
    transactionsAborted: 0,
    transactionsTooLarge: 0,
    readingPaused: 0,
  };
}
