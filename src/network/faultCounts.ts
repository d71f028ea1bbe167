/**
 * Counts what goes wrong on the network, by name, and says it aloud without flooding anyone.
 *
 * Owns the counters and the rhythm: a fault is described when it happens for the 1st, 10th, 100th… time. Keeps
 * every handler from throwing: an unreachable peer or a hostile sender ends up as a number here.
 */

/**
 * unknownPeer: no address for a destination. unresolvedHost: a peer's host name has no address. sendFailed: the system refused a
 * datagram. sendQueueFull: too many datagrams wait in the system. socketFailed: a UDP socket reported an error.
 * multicastUnavailable: the group could not be joined, or there is no way to it. smallReceiveBuffer: less was granted than asked.
 * streamQueueFull, streamBackOff, streamRefused, streamBroken, streamStalled: frames for a peer were dropped because too many wait, it
 * refused a moment ago, it cannot be reached, it closed the connection, or it stopped reading. tooManyConnections,
 * frameTooLong, emptyFrame, frameMemoryFull, idleConnection, unprovenConnection (it said nothing genuine): an incoming connection was closed.
 * frameTooLongToSend: our own frame is beyond what receivers take. handlerFailed: a callback threw. discoveryUnavailable: multicast DNS
 * cannot be spoken or heard.
 */
export type NetworkFault =
  | 'unknownPeer'
  | 'unresolvedHost'
  | 'sendFailed'
  | 'sendQueueFull'
  | 'socketFailed'
  | 'multicastUnavailable'
  | 'smallReceiveBuffer'
  | 'streamQueueFull'
  | 'streamBackOff'
  | 'streamRefused'
  | 'streamBroken'
  | 'streamStalled'
  | 'frameTooLongToSend'
  | 'tooManyConnections'
  | 'frameTooLong'
  | 'emptyFrame'
  | 'frameMemoryFull'
  | 'idleConnection'
  | 'unprovenConnection'
  | 'handlerFailed'
  | 'discoveryUnavailable';

export interface FaultCounts {
  /** `detail` is only asked for when the fault is described. */
  count(fault: NetworkFault, detail: () => string): void;
  snapshot(): Readonly<Partial<Record<NetworkFault, number>>>;
}

/** Hears of a fault: one line that says what happened, its name, and how many times it has by now. */
export type FaultListener = (description: string, fault: NetworkFault, count: number) => void;

export function createFaultCounts(onFault: FaultListener): FaultCounts {
  const counts: Partial<Record<NetworkFault, number>> = {};
  return {
    count(fault, detail) {
      const count = (counts[fault] ?? 0) + 1;
      counts[fault] = count;
      if (!Number.isInteger(Math.log10(count))) return;
      onFault(`${fault}${count === 1 ? '' : ` (${count} times)`}: ${detail()}`, fault, count);
    },
    snapshot: () => ({ ...counts }),
  };
}
