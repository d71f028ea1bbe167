/**
 * What an envelope remembers of those it has heard: replay windows and subkeys, by sender incarnation.
 *
 * Owns the bounds: so many ids, of each so many of its newest incarnations. Only a sender whose packet proved
 * genuine is remembered, so that forged ones can neither fill the memory nor push others out. Keeps: an
 * incarnation that was let go is refused for as long as its id is known, for its window went with it.
 */
import type { Incarnation, PeerId } from '../core/types.ts';
import { createReplayWindow } from './replayWindow.ts';
import type { ReplayWindow } from './replayWindow.ts';

/** Ids remembered; beyond, the one whose newest incarnation was first heard longest ago is let go. */
export const MAX_SENDER_IDS = 4_096;
/** Incarnations of one id remembered; beyond, the lowest is let go. */
export const MAX_INCARNATIONS_PER_SENDER = 4;

export interface Sender {
  readonly id: PeerId;
  readonly incarnation: Incarnation;
  readonly datagrams: ReplayWindow;
  lastStreamPacket: number;
  /** By key id. */
  readonly subkeys: Map<number, Uint8Array>;
  /** Of the last packet that was taken; undefined before, and in clear. */
  keyId: number | undefined;
}

interface Senders {
  find(text: string): Sender | undefined;
  /** A record for a sender not yet remembered. */
  create(id: PeerId, incarnation: Incarnation): Sender;
  /** Whether an incarnation is not remembered because it was let go: what it sends may have been seen before. */
  isLetGo(sender: Sender): boolean;
  /** Remembers a record that `create` made, under the header's text. */
  remember(text: string, sender: Sender): void;
  /** The keys changed: an id may name another one now. */
  forgetSubkeys(): void;
  /** Of the newest incarnation that is remembered. */
  keyIdOf(id: PeerId): number | undefined;
}

interface KnownId {
  /** Header texts by incarnation. */
  readonly texts: Map<number, string>;
  /** Incarnations up to this one were let go. */
  refusedUpTo: number;
}

export function createSenders(): Senders {
  const byText = new Map<string, Sender>();
  const byId = new Map<PeerId, KnownId>();

  return {
    find: (text) => byText.get(text),
    create: (id, incarnation) => ({
      id,
      incarnation,
      datagrams: createReplayWindow(),
      lastStreamPacket: 0,
      subkeys: new Map(),
      keyId: undefined,
    }),
    isLetGo: ({ id, incarnation }) => incarnation <= (byId.get(id)?.refusedUpTo ?? 0),
    remember(text, sender) {
      const known = byId.get(sender.id) ?? { texts: new Map<number, string>(), refusedUpTo: 0 };
      byId.delete(sender.id);
      byId.set(sender.id, known);
      known.texts.set(sender.incarnation, text);
      byText.set(text, sender);
      if (known.texts.size > MAX_INCARNATIONS_PER_SENDER) {
        const lowest = Math.min(...known.texts.keys());
        byText.delete(known.texts.get(lowest) ?? '');
        known.texts.delete(lowest);
        known.refusedUpTo = lowest;
      }
      if (byId.size > MAX_SENDER_IDS) forgetOldestId();
    },
    forgetSubkeys() {
      for (const sender of byText.values()) sender.subkeys.clear();
    },
    keyIdOf(id) {
      const texts = byId.get(id)?.texts ?? new Map<number, string>();
      return byText.get(texts.get(Math.max(...texts.keys())) ?? '')?.keyId;
    },
  };

  function forgetOldestId(): void {
    for (const [id, known] of byId) {
      for (const text of known.texts.values()) byText.delete(text);
      byId.delete(id);
      return;
    }
  }
}
