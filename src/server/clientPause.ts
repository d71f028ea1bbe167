/**
 * CLIENT PAUSE: commands of this peer's clients that are held back for a while.
 *
 * Owns until when, which commands are meant, and whose are held. A connection reads the held command again when that is over (connection.ts); the words are pauseCommands.ts's. Updates of other peers, and what a
 * program writes that embeds this one, go on. Costs a look at one field while nothing is paused.
 * Invariant: whoever is held is let go once: when the pause ends, or when it has closed.
 */
import type { ClientState, Command } from './command.ts';

/** `write`: what writes or publishes. `all`: whatever there is but our own words on the peer itself, so that it can be looked at. */
export type PausedCommands = 'write' | 'all';

export interface ClientPause {
  /** Whether anything is paused. */
  readonly isOn: boolean;
  /** Whether this command has to wait. */
  holds(client: ClientState, command: Command): boolean;
  /** The client's next command waits: `goOn` is called when the pause is over. */
  hold(client: ClientState, goOn: () => void): void;
  /** It has closed. */
  release(client: ClientState): void;
  /** From now on for so long; beside a pause that there is, the longer and the stricter hold (as Redis). */
  begin(what: PausedCommands, forMs: number): void;
  end(): void;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function createClientPause(): ClientPause {
  const held = new Set<ClientState>();
  let what: PausedCommands = 'write';
  let endsAtMs = 0;
  let timer: NodeJS.Timeout | undefined;

  function end(): void {
    clearTimeout(timer);
    pause.isOn = false;
    const clients = [...held];
    held.clear();
    for (const client of clients) {
      const { goOn } = client;
      client.goOn = undefined;
      goOn?.();
    }
  }

  function endLater(): void {
    clearTimeout(timer);
    const leftMs = endsAtMs - performance.now();
    if (leftMs <= 0) end();
    else timer = setTimeout(endLater, Math.min(leftMs, LONGEST_TIMER_MS)).unref();
  }

  const pause: ClientPause & { isOn: boolean } = {
    isOn: false,
    holds: (client, command) => (what === 'all' ? !isOwnWord(command) : mayWrite(client, command)),
    hold: (client, goOn) => {
      client.goOn = goOn;
      held.add(client);
    },
    release: (client) => {
      client.goOn = undefined;
      held.delete(client);
    },
    begin: (wanted, forMs) => {
      if (!pause.isOn || wanted === 'all') what = wanted;
      endsAtMs = Math.max(pause.isOn ? endsAtMs : 0, performance.now() + forMs);
      pause.isOn = true;
      endLater();
    },
    end,
  };
  return pause;
}

/** Asks of the peer, and touches no key. */
function isOwnWord({ name, flags }: Command): boolean {
  return name.startsWith('toposphere|') && !flags.includes('readonly') && !flags.includes('write');
}

function mayWrite({ transaction }: ClientState, { name, flags }: Command): boolean {
  if (name === 'exec') return transaction?.isWriting === true;
  return flags.includes('write') || name === 'publish';
}
