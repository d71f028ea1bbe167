/**
 * One client's connection: reads requests, runs them in order, sends replies in order.
 *
 * Owns the socket, what is held back until its writes are acknowledged, and back-pressure. Leaves parsing,
 * encoding, commands and rounds to their files; what connections share comes from the ConnectionHost.
 * Replies of one turn leave in one write. Those behind a write wait, and all later ones wait behind them.
 * Invariant: a reply to a write leaves only after its level was reached, and no reply overtakes another. Output
 * held for a client that does not read stays below PAUSE_OUTPUT_BYTES plus one reply: it is not read from meanwhile.
 */
import { ToposphereError } from '../core/errors.ts';
import type { AcknowledgementRound, WaitingLevel } from './acknowledgements.ts';
import { isBlocked } from './clientList.ts';
import type { ClientState, CommandContext, LateReply } from './command.ts';
import { createClientState } from './clientState.ts';
import type { ClientSocket, ConnectionHost } from './connectionHost.ts';
import { dispatch, whenAnswered, wordError } from './dispatch.ts';
import { createHeldReplies } from './heldReplies.ts';
import { createPushes } from './pushes.ts';
import { ReplyTooLongError, type ReplyWriter } from './reply.ts';
import type { RequestParser } from './requestParser.ts';
import { createRequestParser, feed, keepRest, nextRequest, unread } from './requestParser.ts';
import { leaveAll } from './subscriber.ts';
import { writePieces, writeReplies } from './socketWrites.ts';
import { createStallWatch } from './stallWatch.ts';
import { endCaching } from './trackingCommands.ts';
import { endTransaction } from './transaction.ts';
import { dispatchUnsent } from './unsentReplies.ts';

/** Output of one connection, sent or held back, at which its requests wait, bytes. */
export const PAUSE_OUTPUT_BYTES = 1024 * 1024;
/** Turns of one connection whose replies are held back, at which its requests wait, count. */
const HELD_TURNS_LIMIT = 1024;
/** Changes watched and not taken by the client, at which its connection is closed, bytes (as Redis's pubsub 32mb). */
export const WATCH_OUTPUT_LIMIT_BYTES = 32 * 1024 * 1024;
/** What a client may send behind a WAIT that waits, or a command that is held back, bytes: it is read on, for else nobody would notice that it has gone. */
const READ_ON_BYTES = 64 * 1024;
const NEW_CONTEXT = { session: undefined, choices: undefined } as const;

export class Connection {
  readonly client: ClientState;
  /** To be called, again and again, while there is output: whoever takes nothing of it for so long is closed. */
  readonly watchOutput: (stalledMs: number) => void;
  readonly #socket: ClientSocket;
  readonly #host: ConnectionHost;
  readonly #parser: RequestParser;
  readonly #context: CommandContext;
  readonly #held = createHeldReplies();
  readonly #pushes = createPushes(() => {
    this.#sendPushes();
  });
  #inputBytes = 0;
  /** The last round joined. */
  #round: AcknowledgementRound | undefined;
  #isPaused = false;
  #isReplyLate = false;
  #isDiskBusy = false;
  #isEnding = false;
  #isClosed = false;

  constructor(host: ConnectionHost, socket: ClientSocket, id: number) {
    this.#host = host;
    this.#socket = socket;
    this.#parser = createRequestParser(host.requestLimits);
    this.client = createClientState(id, socket, host.server, {
      pendingInputBytes: () => this.#parser.end - this.#parser.position,
      pendingOutputBytes: () => this.#outputBytes(),
      sendPush: (write) => {
        this.#onPush(write);
      },
      kill: (isOwn) => {
        this.#kill(isOwn);
      },
    });
    const { backend, reply, server } = host;
    this.#context = { ...NEW_CONTEXT, backend, keys: backend, reply, client: this.client, server };
    // A client may close its side as soon as it has asked (printf | nc): it still gets its answers.
    socket.allowHalfOpen = true;
    socket.on('data', (chunk) => {
      this.#onData(chunk);
    });
    socket.on('drain', () => {
      this.#proceed();
    });
    socket.on('end', () => {
      this.endGently();
    });
    this.watchOutput = createStallWatch(socket, () => {
      host.noteStalled();
      this.destroy();
    });
    socket.on('error', () => {
      host.server.counters.socketErrors += 1;
    });
    socket.on('close', () => {
      this.#onClose();
    });
  }

  /** Takes no more requests; ends once everything answered has been sent. */
  endGently(): void {
    this.client.isClosing = true;
    this.client.endWait?.();
    this.#endWhenEmpty();
  }

  /** Says why and closes, without waiting for a client that takes nothing. */
  expel(reason: string): void {
    if (this.#isStopping()) return;
    this.#refuse(reason);
    if (this.#socket.writableLength > 0) this.destroy();
  }

  /** Closes at once, whatever was not sent. */
  destroy(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed || this.client.isClosing) return;
    const { counters } = this.#host.server;
    counters.bytesReceived += chunk.length;
    this.client.lastCommandAtMs = performance.now();
    if (!feed(this.#parser, chunk)) {
      this.#refuseInput();
      return;
    }
    // Paused, and yet there is data: it was on its way already. It waits in the parser.
    if (!this.#isPaused) this.#run();
    else if (this.#parser.end - this.#parser.position > READ_ON_BYTES) this.#socket.pause();
    keepRest(this.#parser); // the next read of any connection goes where this one went
    if (!this.#isStopping() && !this.#noteInput()) this.#refuseInput();
  }

  #refuseInput(): void {
    this.#host.server.counters.inputLimitClosed += 1;
    this.destroy();
  }

  /** Tells the host how the memory behind this connection's unfinished request, and its transaction, changed. */
  #noteInput(): boolean {
    const { transaction } = this.client;
    const heldBytes =
      this.#parser.heldBytes + (transaction?.bytes ?? 0) + this.#host.server.watched.bytesOf(this.client);
    const change = heldBytes - this.#inputBytes;
    if (change === 0) return true;
    this.#inputBytes += change;
    return this.#host.noteInputBytes(change) || change < 0;
  }

  /** Runs requests until there are no more, or something must be waited for. */
  #run(): void {
    this.#host.turn.isRunning = true;
    // A batch ends early when its replies are many; if the client took them all at once, there may be more to do.
    while (this.#runBatch()) if (this.#mustWait()) break;
    this.#host.turn.isRunning = false;
    if (this.#isClosed) return;
    if (this.#mustWait()) this.#pause();
    this.#endWhenEmpty();
  }

  /** Runs requests and sends their replies, about PAUSE_OUTPUT_BYTES of them. True when requests may be left. */
  #runBatch(): boolean {
    const { reply, server, backend } = this.#host;
    this.#sendPushes(); // whoever reads something newer has been told of all that changed before it
    const waitingBytes = this.#outputBytes();
    let level: WaitingLevel | undefined;
    let hasWritten = false;
    let found: ReturnType<typeof nextRequest> = 'request';
    reply.protocol = this.client.protocol;
    while (!this.client.isClosing && waitingBytes + reply.sizeBytes() <= PAUSE_OUTPUT_BYTES) {
      this.#parser.isUnauthenticated = !this.client.isAuthenticated;
      found = nextRequest(this.#parser);
      if (found !== 'request') break;
      const outcome = this.#execute();
      if (outcome === undefined) return false;
      if (outcome === 'held') break;
      if (outcome === 'written') {
        hasWritten = true;
        const wanted = this.#context.choices?.acknowledge ?? this.client.acknowledge;
        if (wanted !== 'fast' && level !== 'durable') level = wanted;
      } else if (outcome !== 'read') {
        this.#awaitLateReply(outcome);
        break;
      }
    }
    if (found === 'error') {
      server.counters.protocolErrors += 1;
      reply.error(`ERR ${this.#parser.error}`);
      this.client.isClosing = true;
    }
    this.#deliver(level);
    if (hasWritten && backend.isBusy()) this.#awaitDisk();
    return found === 'request' && !this.client.isClosing;
  }

  /** undefined: the connection was closed. */
  #execute(): 'read' | 'written' | 'held' | LateReply | undefined {
    const { reply, server } = this.#host;
    this.#context.choices = undefined;
    try {
      const outcome =
        this.client.replies === 'on'
          ? dispatch(this.#context, this.#parser)
          : dispatchUnsent(this.#context, this.#parser, this.#host.unsent);
      if (outcome === 'held') return this.#holdBack();
      if (this.client.tracking?.isCaching === true && this.client.transaction === undefined)
        endCaching(this.client.tracking, this.#parser, server.table);
      if (outcome !== 'drop') return outcome;
      server.counters.httpDropped += 1;
    } catch (error) {
      if (!(error instanceof ReplyTooLongError)) throw error;
      server.counters.outputLimitClosed += 1;
    }
    reply.clear();
    this.destroy();
    return undefined;
  }

  /** Sends what the shared writer holds, or holds it back behind the writes of `level` and the replies before it. */
  #deliver(level: WaitingLevel | undefined): void {
    const { reply, server, acknowledgements } = this.#host;
    const sizeBytes = reply.sizeBytes();
    if (sizeBytes === 0) return;
    server.counters.bytesSent += sizeBytes;
    server.counters.commandsRefused += reply.errorCount;
    reply.errorCount = 0;
    if (level !== undefined) {
      const round = acknowledgements.currentRound(level);
      if (round !== this.#round) round.waiters.push(this);
      this.#round = round;
      this.#held.add(reply.detach(), sizeBytes, round);
    } else if (this.#held.turns() > 0) {
      this.#held.add(reply.detach(), sizeBytes, undefined);
    } else {
      writeReplies(this.#socket, reply);
    }
  }

  #writePieces(pieces: readonly Buffer[]): void {
    if (!this.#isClosed) writePieces(this.#socket, pieces);
  }

  onAcknowledged(failure: Error | undefined): void {
    if (this.#isStopping()) return;
    if (failure === undefined) this.#releaseHeld();
    else this.#failWrites(failure);
  }

  #releaseHeld(): void {
    this.#writePieces(this.#held.release());
    this.#endWhenEmpty();
    this.#proceed();
  }

  /** The writes may be lost: their replies must not be sent, and no later one may take their place. */
  #failWrites(failure: Error): void {
    this.#host.server.counters.acknowledgementFailed += 1;
    const reason = new ToposphereError('STORAGE_FAILED', `the write may be lost: ${failure.message}`);
    this.#refuse(wordError(reason).replaceAll(/[\r\n]/g, ' '));
  }

  #refuse(reason: string): void {
    this.#held.clear();
    this.client.isClosing = true;
    this.#socket.write(Buffer.from(`-${reason}\r\n`, 'latin1'));
    this.#end();
  }

  #awaitLateReply(late: LateReply): void {
    this.#isReplyLate = true;
    whenAnswered(late, (write) => {
      this.#isReplyLate = false;
      if (this.#isStopping()) return;
      const { reply } = this.#host;
      reply.protocol = this.client.protocol;
      write(reply);
      this.#deliver(undefined);
      this.#endWhenEmpty();
      this.#proceed();
    });
  }

  /** CLIENT PAUSE: what was read last is read again when that is over. */
  #holdBack(): 'held' {
    unread(this.#parser);
    this.#host.server.pause.hold(this.client, () => {
      this.#proceed();
    });
    return 'held';
  }

  #awaitDisk(): void {
    if (this.#isDiskBusy) return;
    this.#isDiskBusy = true;
    this.#host.whenReady(() => {
      this.#isDiskBusy = false;
      this.#proceed();
    });
  }

  #outputBytes(): number {
    return this.#held.sizeBytes() + this.#socket.writableLength;
  }

  #mustWait(): boolean {
    return (
      this.#isReplyLate ||
      this.#isDiskBusy ||
      this.client.goOn !== undefined ||
      this.#held.turns() > HELD_TURNS_LIMIT ||
      this.#outputBytes() > PAUSE_OUTPUT_BYTES
    );
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#host.server.counters.readingPaused += 1;
    if (!isBlocked(this.client)) this.#socket.pause();
  }

  /** Goes on with what was left lying, then with reading, if nothing is waited for any more. */
  #proceed(): void {
    if (!this.#isPaused || this.#isClosed || this.#mustWait()) return;
    if (this.#host.turn.isRunning) {
      // Told from inside another connection's command: the shared writer is not free.
      setImmediate(() => {
        this.#proceed();
      });
      return;
    }
    this.#isPaused = false;
    this.#run();
    if (!this.#isStopping()) this.#noteInput();
    if (!this.#isStopped()) this.#socket.resume();
  }

  /** Asked again after `#run`, which may have paused or closed. */
  #isStopped(): boolean {
    return this.#isPaused || this.#isClosed;
  }

  #onPush(write: (reply: ReplyWriter) => void): void {
    if (this.#isStopping()) return;
    this.#pushes.add(this.client.protocol, write);
    if (this.#pushes.sizeBytes() + this.#outputBytes() <= WATCH_OUTPUT_LIMIT_BYTES) return;
    this.#host.server.counters[this.client.isSubscribed ? 'subscriberLimitClosed' : 'outputLimitClosed'] += 1;
    this.destroy();
  }

  /** Behind what is held back: an older value that is told of as changed must not come after that. */
  #sendPushes(): void {
    const sizeBytes = this.#pushes.sizeBytes();
    if (sizeBytes === 0 || this.#isStopping()) return;
    this.#host.server.counters.bytesSent += sizeBytes;
    const pieces = this.#pushes.take();
    if (this.#held.turns() > 0) this.#held.add(pieces, sizeBytes, undefined);
    else this.#writePieces(pieces);
  }

  /** Ends a closing connection when its last reply has left this process's hands. */
  #endWhenEmpty(): void {
    if (!this.client.isClosing || this.#isReplyLate || this.#held.turns() > 0) return;
    if (!this.#isStopping()) this.#end();
  }

  #isStopping(): boolean {
    return this.#isEnding || this.#isClosed;
  }

  #end(): void {
    this.#isEnding = true;
    // The other side may keep its half open for ever: after the last byte we do not wait for it.
    this.#socket.end(() => {
      this.#socket.destroy();
    });
  }

  #kill(isOwn: boolean): void {
    if (this.#isStopping()) return;
    this.#host.server.counters.clientsKilled += 1;
    if (isOwn) this.client.isClosing = true;
    else this.destroy();
  }

  #onClose(): void {
    this.#isClosed = true;
    this.#held.clear();
    this.client.endWait?.();
    this.#host.server.pause.release(this.client);
    for (const endWatch of this.client.watches.splice(0)) endWatch();
    this.#host.server.tracking.stop(this.client);
    leaveAll(this.client, this.#host.backend.subscriptions);
    endTransaction(this.client, this.#host.server);
    this.#host.noteInputBytes(-this.#inputBytes);
    this.#inputBytes = 0;
    this.#host.onClosed(this.client.id);
  }
}
