/**
 * Whether a peer still answers: its process may hang or be paused, and its machine be gone, while the connection stands.
 *
 * Owns the time since the peer was last heard and what it owes. Asking (`ping`) and leaving (`onHung`) are the connection's. Invariant: nobody is judged for the time
 * in which this process itself stood still, nor before what has arrived meanwhile was read.
 */

/** Looks within the shorter of the two times, count. */
const LOOKS = 5;

interface WatchdogPorts {
  readonly operationTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly ping: () => void;
  readonly onHung: (silentMs: number) => void;
  /** Milliseconds that only go forward. */
  readonly now: () => number;
}

export class Watchdog {
  readonly #ports: WatchdogPorts;
  readonly #lookMs: number;
  /** How much longer each answer that is owed may take, milliseconds, in the order in which they come. */
  readonly #owed: number[] = [];
  #heardAtMs: number;
  #lookedAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(ports: WatchdogPorts) {
    this.#ports = ports;
    this.#lookMs = Math.min(ports.operationTimeoutMs, ports.heartbeatMs) / LOOKS;
    this.#heardAtMs = ports.now();
    this.#lookedAtMs = ports.now();
    this.#timer = setInterval(() => {
      this.look();
    }, this.#lookMs);
  }

  /** Something was asked: its answers come behind those that are owed. */
  owe(allowanceMs: number): void {
    if (this.#owed.length === 0) this.heard();
    this.#owed.push(allowanceMs);
  }

  /** All answers to what was asked first have come. */
  paid(): void {
    this.#owed.shift();
    this.heard();
  }

  heard(): void {
    this.#heardAtMs = this.#ports.now();
  }

  look(): void {
    const { now, operationTimeoutMs, heartbeatMs, ping, onHung } = this.#ports;
    const lateMs = now() - this.#lookedAtMs - this.#lookMs;
    this.#lookedAtMs = now();
    if (lateMs > this.#lookMs) this.#heardAtMs += lateMs;
    const silentMs = now() - this.#heardAtMs;
    const [allowanceMs] = this.#owed;
    if (allowanceMs === undefined) {
      if (silentMs >= heartbeatMs) ping();
    } else if (silentMs > operationTimeoutMs + allowanceMs) {
      const heardAtMs = this.#heardAtMs;
      // Sockets are read before this comes.
      setImmediate(() => {
        if (this.#timer !== undefined && this.#heardAtMs === heardAtMs) onHung(silentMs);
      });
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
