/**
 * One connection of a command to a peer's client port.
 *
 * Owns the socket, the order of replies and the time a peer is given to answer. What the words mean is
 * the commands'. Invariant: every request settles exactly once: with its reply, or with a
 * CommandFailure that names the address, also when the peer stops in the middle.
 */
import RedisParser from 'redis-parser';
import { errorCode, formatAddress } from '../network/tcp.ts';
import type { Socket } from '../network/tcp.ts';
import { dial } from '../network/tls.ts';
import type { TlsTrust } from '../network/tls.ts';
import { CommandFailure, PasswordRefusal, PeerRefusal } from './failure.ts';
import { buildTlsRefusal, describeSilentClose } from './tlsRefusal.ts';

/** A reply as sent: strings as bytes, nil as null. Error replies reject instead; inside arrays they are Errors. */
export type Reply = Buffer | number | null | Error | readonly Reply[];

/** What is shown to a peer, and asked of it. */
export interface Credentials {
  /** What the peer asks of its clients; left out: nothing is said, unless it asks. */
  readonly password?: string | undefined;
  /** Whose password it is; left out: the one of all who give no name. */
  readonly user?: string | undefined;
  /** Left out: what is said is in clear. */
  readonly tls?: TlsTrust | undefined;
}

export interface Address extends Credentials {
  readonly host: string;
  readonly port: number;
}

/** Milliseconds until a peer that does not accept a connection is given up. */
const DIAL_TIMEOUT_MS = 2000;
/** Milliseconds until a peer that does not answer is given up: a digest reads every entry. */
const REPLY_TIMEOUT_MS = 60_000;
const AUTHENTICATION_TIMEOUT_MS = 5000;
/** In the refusal of a password where none is asked for. */
const NO_PASSWORD_ASKED = 'without any password configured';

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** One request as RESP: an array of bulk strings. */
export function encodeRequest(words: readonly (string | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export class Connection {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #waiting: Waiting[] = [];
  #onPush: (reply: Reply) => void = () => undefined;
  #failure: CommandFailure | undefined;
  #hasHeard = false;
  #onClose: (failure: CommandFailure) => void = () => undefined;

  /** Takes over a connected socket. */
  constructor(socket: Socket, { host, port, user, tls }: Address) {
    this.#socket = socket;
    const name = formatAddress(host, port);
    this.#name = name;
    const parser = new RedisParser({
      returnBuffers: true,
      returnReply: (reply) => {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#onPush(reply as Reply);
        else waiting.resolve(reply as Reply);
      },
      returnError: (error) => {
        this.#waiting.shift()?.reject(buildRefusal(name, error.message, user));
      },
      returnFatalError: (error) => {
        this.#fail(
          `${name} does not speak the Redis protocol (${error.message}); is it a peer's client port?`,
        );
      },
    });
    socket.on('data', (bytes: Buffer) => {
      this.#hasHeard = true;
      parser.execute(bytes);
    });
    socket.once('error', (error) => {
      this.#fail(buildTlsRefusal(name, error) ?? `the connection to ${name} broke (${errorCode(error)})`);
    });
    socket.once('close', () => {
      const how = this.#hasHeard ? '' : describeSilentClose(tls !== undefined);
      this.#fail(`${name} closed the connection${how}`);
    });
  }

  /** Sends one request; resolves with its reply. Rejects with PeerRefusal: an error reply; with CommandFailure: a lost connection, or no reply in `timeoutMs`. */
  request(words: readonly (string | Uint8Array)[], timeoutMs = REPLY_TIMEOUT_MS): Promise<Reply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => {
        // Replies come in order: after one that is missing, none can be told apart.
        this.#fail(`${this.#name} did not answer within ${timeoutMs} ms`);
      }, timeoutMs);
      this.#waiting.push({
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket.write(encodeRequest(words));
    });
  }

  /** `onPush` gets every reply nobody asked for; the promise rejects with the reason when the connection ends. */
  listen(onPush: (reply: Reply) => void): Promise<never> {
    this.#onPush = onPush;
    return new Promise((_, reject) => {
      this.#onClose = reject;
      if (this.#failure !== undefined) reject(this.#failure);
    });
  }

  close(): void {
    this.#fail(`the connection to ${this.#name} was closed here`);
  }

  #fail(why: string | CommandFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = typeof why === 'string' ? new CommandFailure(why) : why;
    this.#socket.destroy();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
    this.#onClose(this.#failure);
  }
}

/** The peer's words, and for what has to do with passwords and rights what to do about it. */
function buildRefusal(name: string, said: string, user: string | undefined): PeerRefusal {
  if (said.startsWith('NOAUTH')) {
    return new PasswordRefusal(
      `${name} wants a client password: name its file with --client-password-file or TOPOSPHERE_CLIENT_PASSWORD_FILE`,
      'missing',
    );
  }
  if (said.startsWith('WRONGPASS')) {
    const seen =
      user === undefined
        ? 'has another client password: name a file with the one that it goes by'
        : `knows no user '${user}' with this password: see its users file (--client-users-file), and name a file with the user's password`;
    return new PasswordRefusal(
      `${name} ${seen} (--client-password-file or TOPOSPHERE_CLIENT_PASSWORD_FILE)`,
      'wrong',
    );
  }
  if (said.startsWith('NOPERM')) {
    return new PeerRefusal(
      `${name} answered: ${said}: ask as a user who may (--client-user), or change the line of '${user ?? 'default'}' in its users file`,
    );
  }
  return new PeerRefusal(`${name} answered: ${said}`);
}

export function buildAuthentication(password: string, user: string | undefined): readonly string[] {
  return user === undefined ? ['AUTH', password] : ['AUTH', user, password];
}

/** Gives the password. A peer that asks for none is content without: scripts name the file for all of them. */
async function authenticate(
  connection: Connection,
  password: string,
  user: string | undefined,
): Promise<void> {
  await connection
    .request(buildAuthentication(password, user), AUTHENTICATION_TIMEOUT_MS)
    .catch((error: unknown) => {
      if (!(error instanceof PeerRefusal) || !error.message.includes(NO_PASSWORD_ASKED)) throw error;
    });
}

/** Resolves once connected and authenticated. Rejects with CommandFailure when nobody accepts within `timeoutMs`, with PeerRefusal on a wrong password or certificate. */
export async function openConnection(address: Address, timeoutMs = DIAL_TIMEOUT_MS): Promise<Connection> {
  const connection = await connect(address, timeoutMs);
  if (address.password === undefined) return connection;
  try {
    await authenticate(connection, address.password, address.user);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function connect(address: Address, timeoutMs: number): Promise<Connection> {
  const name = formatAddress(address.host, address.port);
  return new Promise((resolve, reject) => {
    const giveUp = (failure: CommandFailure): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(failure);
    };
    const notReached = (reason: string): CommandFailure =>
      new CommandFailure(`cannot reach a peer at ${name} (${reason}); is it running?`);
    const socket = dial(address, () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(new Connection(socket, address));
    });
    const timer = setTimeout(() => {
      giveUp(notReached(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    const onError = (error: Error): void => {
      giveUp(buildTlsRefusal(name, error) ?? notReached(errorCode(error)));
    };
    socket.once('error', onError);
  });
}

/** Connects, lets `use` work and closes, whatever `use` does. */
export async function withConnection<T>(
  address: Address,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await openConnection(address);
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

/** The reply as text; refuses a reply of another shape, as an older or newer peer might send. */
export function replyText(reply: Reply): string {
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  throw new CommandFailure(
    'the peer answered in an unexpected shape; is it of the same version as this command?',
  );
}
