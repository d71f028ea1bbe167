/**
 * node-redis as this client uses it: one connection that is never made again, bytes in and out, no timers of its own.
 *
 * Owns its settings, and the end of a connection that is given up while it is dialled. What is said is link.ts's and measuring.ts's. Invariant: after `end` nothing is left, whatever
 * stage it was in.
 */
import { createClient, RESP_TYPES } from '@redis/client';
import type { RedisClientType } from '@redis/client';
import { errorCode } from '../network/tcp.ts';
import { contextOf } from '../network/tls.ts';
import type { TlsTrust } from '../network/tls.ts';
import { findTlsFault } from '../network/tlsFaults.ts';
import type { PeerAddress } from './peerList.ts';

type Redis = RedisClientType<Record<string, never>, Record<string, never>, Record<string, never>>;

/** How a client gets in: the same at all peers. */
export interface Access {
  readonly password: string | undefined;
  /** Whose password it is; undefined: the one of all who give no name. */
  readonly username: string | undefined;
  /** Undefined: what is said is in clear. */
  readonly tls: TlsTrust | undefined;
}

export interface RedisConnection {
  /** Resolves when commands can be sent. Rejects with the reason, also when it is ended meanwhile. */
  connect(): Promise<void>;
  readonly isReady: () => boolean;
  /** The reply, bulk strings as bytes. Rejects with ErrorReply, or with something else when the connection is no more. */
  send(words: readonly (string | Buffer)[]): Promise<unknown>;
  /** Ends it: `onEnd` is called, once, with the reason, and what has no answer rejects. */
  end(reason: string): void;
}

/** `onInvalidated`: the connection tracks what it reads, and is told of a key that has changed (null: of all). Before anybody hears of replies that came behind that. */
export function createRedis(
  { host, port }: PeerAddress,
  { password, username, tls }: Access,
  connectTimeoutMs: number,
  onEnd: (reason: string) => void,
  onInvalidated?: (key: Buffer | null) => void,
): RedisConnection {
  let endedBy: string | undefined;
  let rejectConnect: (reason: Error) => void = () => undefined;
  const redis = createClient({
    RESP: 3,
    socket: {
      host,
      port,
      connectTimeout: connectTimeoutMs,
      reconnectStrategy: false,
      ...(tls === undefined ? {} : { tls: true, ...contextOf(tls) }),
    },
    ...(password === undefined ? {} : { password }),
    ...(username === undefined ? {} : { username }),
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    emitInvalidate: onInvalidated !== undefined,
    // Time is seen to elsewhere: a timer for each command costs as much as the command.
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  }) as unknown as Redis;

  function end(reason: string): void {
    if (endedBy !== undefined) return;
    endedBy = reason;
    redis.destroy();
    rejectConnect(new Error(reason));
    onEnd(reason);
  }

  if (onInvalidated !== undefined) redis.on('invalidate', onInvalidated);
  redis.on('error', (error: unknown) => {
    end(describeError(error));
  });
  // node-redis goes on dialling what was destroyed meanwhile, and would keep it.
  redis.on('connect', () => {
    if (endedBy !== undefined) redis.destroy();
  });

  return {
    connect: () =>
      new Promise((resolve, reject) => {
        rejectConnect = reject;
        redis.connect().then(
          () => {
            resolve();
          },
          (error: unknown) => {
            end(describeError(error));
          },
        );
      }),
    isReady: () => endedBy === undefined && redis.isReady,
    send: (words) => redis.sendCommand<unknown>([...words]),
    end,
  };
}

function describeError(error: unknown): string {
  return findTlsFault(error)?.seen ?? errorCode(error);
}
