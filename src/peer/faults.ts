/**
 * Rehearsed faults: an operator cuts a running peer off from others, or lets it lose messages, to see what
 * happens. Off unless the peer was started with faults allowed.
 *
 * A cut takes everything from the named peers and sends nothing to them directly; a drop loses a share of the
 * datagrams that arrive, or of the messages of one kind, by whatever way they come. Nothing is delayed or changed, so all the harm is of a kind that a
 * network does: of TCP it loses nothing by itself.
 */
import type { Channel, MessageKind } from '../core/messages.ts';
import type { PeerId } from '../core/types.ts';
import { ToposphereError } from '../core/errors.ts';

export const MESSAGE_KINDS: readonly MessageKind[] = [
  'update',
  'keepalive',
  'heartbeat',
  'sync',
  'nak',
  'pull',
  'prepare',
  'prepared',
  'refuse',
  'commit',
  'join',
  'checkpoint',
  'fenced',
  'alarm',
  'leaving',
  'fetch',
  'fetched',
  'ask',
  'held',
  'publish',
  'miss',
];

const USAGE =
  'say `cut <id> [<id> …]`, `heal [<id> …]`, `drop <percent> [update|keepalive|heartbeat|sync|nak|…]` or `status`';

export interface FaultsReport {
  readonly cut: readonly PeerId[];
  /** Share lost, 0 to 1: of arriving messages of a kind, of all that come as datagrams. */
  readonly dropped: Readonly<Partial<Record<MessageKind | 'all', number>>>;
}

export class Faults {
  readonly #isAllowed: boolean;
  readonly #members: () => Iterable<PeerId>;
  readonly #random: () => number;
  readonly #cut = new Set<PeerId>();
  readonly #dropped = new Map<MessageKind | 'all', number>();

  /** `members`: the others as they are now, however they were admitted. */
  constructor(isAllowed: boolean, members: () => Iterable<PeerId>, random: () => number) {
    this.#isAllowed = isAllowed;
    this.#members = members;
    this.#random = random;
  }

  /** Whether anything at all is rehearsed: the hot path asks this first. */
  get isActive(): boolean {
    return this.#cut.size > 0 || this.#dropped.size > 0;
  }

  losesArrival(from: PeerId, kind: MessageKind, channel: Channel): boolean {
    if (!this.isActive) return false;
    if (this.#cut.has(from)) return true;
    const ofAll = channel === 'stream' ? 0 : (this.#dropped.get('all') ?? 0);
    const share = this.#dropped.get(kind) ?? ofAll;
    return share > 0 && this.#random() < share;
  }

  cutsOff(to: PeerId): boolean {
    return this.#cut.has(to);
  }

  report(): FaultsReport {
    return { cut: [...this.#cut].sort(), dropped: Object.fromEntries(this.#dropped) };
  }

  /** Carries out the words of `toposphere faults …`. Throws BAD_ARGUMENT; nothing was changed then. */
  rehearse(words: readonly string[]): string {
    if (!this.#isAllowed) {
      throw new ToposphereError(
        'BAD_ARGUMENT',
        'faults are not allowed on this peer: start it with --allow-faults to rehearse them',
      );
    }
    const [verb = 'status', ...rest] = words.map((word) => word.trim());
    switch (verb.toLowerCase()) {
      case 'cut':
        if (rest.length === 0) throw new ToposphereError('BAD_ARGUMENT', `cut from whom? ${USAGE}`);
        for (const id of rest.map((word) => this.#member(word))) this.#cut.add(id);
        break;
      case 'heal':
        this.#heal(rest.map((word) => this.#member(word)));
        break;
      case 'drop':
        this.#drop(rest);
        break;
      case 'status':
        break;
      default:
        throw new ToposphereError('BAD_ARGUMENT', `'${verb}' is no fault: ${USAGE}`);
    }
    return this.#describe();
  }

  #heal(ids: readonly PeerId[]): void {
    for (const id of ids) this.#cut.delete(id);
    if (ids.length > 0) return;
    this.#cut.clear();
    this.#dropped.clear();
  }

  #drop([percentText = '', kindText = 'all']: readonly string[]): void {
    const percent = Number(percentText.replace(/%$/, ''));
    if (percentText === '' || !Number.isFinite(percent) || percent < 0 || percent > 100) {
      throw new ToposphereError('BAD_ARGUMENT', `'${percentText}' is no percentage from 0 to 100: ${USAGE}`);
    }
    const kind = kindText === 'all' ? 'all' : MESSAGE_KINDS.find((known) => known === kindText.toLowerCase());
    if (kind === undefined)
      throw new ToposphereError('BAD_ARGUMENT', `'${kindText}' is no kind of message: ${USAGE}`);
    if (percent === 0) this.#dropped.delete(kind);
    else this.#dropped.set(kind, percent / 100);
  }

  /** Who was forgotten while it was cut off can be healed by name, too. */
  #member(word: string): PeerId {
    const members = [...this.#members()];
    const id = [...members, ...this.#cut].find((one) => one === word);
    if (id !== undefined) return id;
    const others = members.length === 0 ? 'this peer knows of none' : `the others are ${members.join(', ')}`;
    throw new ToposphereError('BAD_ARGUMENT', `'${word}' is no other member: ${others}`);
  }

  #describe(): string {
    const cut = this.#cut.size === 0 ? 'no cut' : `cut from ${[...this.#cut].sort().join(', ')}`;
    const drops = [...this.#dropped].map(([kind, share]) => `${Math.round(share * 1000) / 10}% of ${kind}`);
    return `${cut}; ${drops.length === 0 ? 'nothing dropped' : `dropping ${drops.join(', ')}`}`;
  }
}
