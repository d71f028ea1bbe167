/**
 * What a new connection remembers of its client: nothing yet but who it is.
 */
import { formatAddress } from '../network/tcp.ts';
import { isOpen } from './authentication.ts';
import type { ClientState, ServerState } from './command.ts';
import type { ClientSocket } from './connectionHost.ts';

/** What the connection itself does for its client. */
type Doings = Pick<ClientState, 'pendingInputBytes' | 'pendingOutputBytes' | 'sendPush' | 'kill'>;

export function createClientState(
  id: number,
  socket: ClientSocket,
  server: ServerState,
  doings: Doings,
): ClientState {
  const nowMs = performance.now();
  return {
    id,
    address: formatAddress(socket.remoteAddress ?? '?', socket.remotePort ?? 0),
    localAddress: formatAddress(socket.localAddress ?? '?', socket.localPort ?? 0),
    connectedAtMs: nowMs,
    lastCommandAtMs: nowMs,
    name: '',
    libraryName: '',
    libraryVersion: '',
    protocol: 2,
    acknowledge: server.acknowledge,
    replicated: undefined,
    lastWritten: 0,
    hasOthersWrite: false,
    endWait: undefined,
    goOn: undefined,
    isAuthenticated: isOpen(server),
    user: undefined,
    lastCommand: 'NULL',
    isClosing: false,
    watches: [],
    tracking: undefined,
    subscriber: undefined,
    transaction: undefined,
    isSubscribed: false,
    replies: 'on',
    ...doings,
  };
}
