/**
 * Keyspace notifications: what happens to keys, told on the channels that Redis has for it, to whoever listens on this peer.
 *
 * Owns who is told when, and how a change is called that no command of this server made. What a command does it notes itself, in Redis's order; all other changes (another peer's, an expiry, a program's, a
 * joined checkpoint) come from the backend's watchers. Leaves letters to src/peer/eventClasses.ts, listening to subscriber.ts. Invariants: each change is told once, by the command that made it or as a
 * change; an expiry before whatever came in its place; while no event is asked for nothing is watched or noted.
 */
import type { Key } from '../core/types.ts';
import { EVENT_CLASSES } from '../peer/backend.ts';
import type { Backend, CounterForm, Decimal, KeyAccess, KeyChange } from '../peer/backend.ts';
import type { CommandContext } from './command.ts';
import type { ServerLimits } from './serverLimits.ts';

const { keyspace, keyevent, generic, string, expired, created, missed } = EVENT_CLASSES;
const CHANNELS = keyspace | keyevent;
/** Is asked for by nobody. */
const UNTOLD = 0;
/** What is noted of a key that may not have been there. */
const COMES = string | created | missed;
const EVENTS = generic | string | expired | created | missed;

export interface KeyspaceEvents {
  /** Whether any event is asked for. While none is, commands run as if there were none. */
  readonly isActive: boolean;
  /** To be called when the classes that are asked for have changed. */
  renew(): void;
  /** Runs a command: what it notes is told when it is done, and what it changed without a note as any change is. */
  run<Result>(isWriting: boolean, act: () => Result): Result;
  /** An event of the command that runs. */
  note(eventClass: number, event: string, key: Key): void;
  /** Whether what is about to be written is a key that is not there, and somebody wants to know. */
  isNew(keys: KeyAccess, key: Key): boolean;
  /** What was noted has not happened after all. */
  discard(): void;
  /** Watches nothing any more. */
  stop(): void;
}

interface Note {
  readonly eventClass: number;
  readonly event: string;
  readonly key: Key;
}

export function createKeyspaceEvents(backend: Backend, limits: ServerLimits): KeyspaceEvents {
  let isRunning = false;
  let isWriting = false;
  let notes: Note[] = [];
  /** What the command that runs has changed. */
  let changes: KeyChange[] = [];
  let endWatch: (() => void) | undefined;

  function publish(eventClass: number, event: string, key: Key): void {
    const { keyspaceEventClasses: classes } = limits;
    const { subscriptions } = backend;
    if ((classes & eventClass) === 0 || subscriptions.isEmpty) return;
    if ((classes & keyspace) !== 0)
      subscriptions.deliver(`__keyspace@0__:${key}`, Buffer.from(event, 'latin1'));
    if ((classes & keyevent) !== 0)
      subscriptions.deliver(`__keyevent@0__:${event}`, Buffer.from(key, 'latin1'));
  }

  function onChange(change: KeyChange): void {
    if (isWriting) changes.push(change);
    else tellChange(change);
  }

  /** Of a counter that is past its time cells may end before its value does: that is no event. */
  function tellChange(change: KeyChange): void {
    const { key, previous, value, how, hadExpired } = change;
    if (how === 'counted' && hadExpired) return;
    const isOver = endsByTime(change);
    if (isOver) publish(expired, 'expired', key);
    else if (value === undefined) publish(generic, 'del', key);
    if (value === undefined) return;
    if (isOver || previous === undefined) publish(created, 'new', key);
    publish(string, how === 'written' ? 'set' : 'incrby', key);
  }

  /** Of the command that has run: each note; before the first of a key that was past its time that it has expired, and is new now. */
  function tellNotes(): void {
    const [noted, changed] = [notes, changes];
    [notes, changes] = [[], []];
    const over = new Set(changed.filter(endsByTime).map(({ key }) => key));
    const known = changed.length === 0 ? undefined : new Set(noted.map(({ key }) => key));
    for (const { eventClass, event, key } of noted) {
      // Of a key that it found there, and changed or deleted as such, it does not matter that its time came meanwhile.
      if (over.delete(key) && (eventClass & COMES) !== 0) {
        publish(expired, 'expired', key);
        if (eventClass === string) publish(created, 'new', key);
      }
      publish(eventClass, event, key);
    }
    for (const change of changed) if (known?.has(change.key) === false) tellChange(change);
  }

  function run<Result>(writes: boolean, act: () => Result): Result {
    if (!events.isActive) return act();
    if (writes) backend.tellChanges(); // what was changed before is not of this command
    isRunning = true;
    isWriting = writes;
    try {
      return act();
    } finally {
      if (writes) backend.tellChanges();
      isRunning = false;
      isWriting = false;
      tellNotes();
    }
  }

  function stop(): void {
    endWatch?.();
    endWatch = undefined;
    events.isActive = false;
  }

  function renew(): void {
    const { keyspaceEventClasses: classes } = limits;
    if ((classes & CHANNELS) === 0 || (classes & EVENTS) === 0) {
      stop();
      return;
    }
    events.isActive = true;
    if (endWatch !== undefined) return;
    backend.tellChanges(); // to those who watch already: what was before is not told here
    endWatch = backend.watchKeys('' as Key, onChange);
  }

  const events: KeyspaceEvents & { isActive: boolean } = {
    isActive: false,
    renew,
    run,
    note: (eventClass, event, key) => {
      if (isRunning) notes.push({ eventClass, event, key });
    },
    isNew: (keys, key) =>
      isRunning && (limits.keyspaceEventClasses & created) !== 0 && keys.expiryOf(key) === undefined,
    discard: () => {
      notes = [];
    },
    stop,
  };
  return events;
}

/** Whether it tells that what was there has ended by its time. */
function endsByTime({ how, hadExpired }: KeyChange): boolean {
  return how === 'expired' || (hadExpired && how !== 'counted');
}

/** Writes a key as `keys.write` does, and notes the event. */
export function writeNoted(
  { keys, server }: CommandContext,
  event: string,
  key: Key,
  value: Uint8Array,
  expiresAtMs?: number,
): void {
  const isNew = server.keyspaceEvents.isNew(keys, key);
  keys.write(key, value, expiresAtMs);
  if (isNew) server.keyspaceEvents.note(created, 'new', key);
  server.keyspaceEvents.note(string, event, key);
}

/** That the key changes when it expires is noted: it does so at this time, or, at 0, no more. */
export function noteExpiry({ server }: CommandContext, key: Key, atMs: number): void {
  server.keyspaceEvents.note(generic, atMs === 0 ? 'persist' : 'expire', key);
}

/** Sets what is past its time already: it deletes, and notes what Redis tells then. */
export function setPast({ keys, server }: CommandContext, key: Key): void {
  const { keyspaceEvents } = server;
  const isNew = keyspaceEvents.isNew(keys, key);
  keys.remove(key);
  if (isNew) keyspaceEvents.note(created, 'new', key);
  keyspaceEvents.note(string, 'set', key);
  keyspaceEvents.note(generic, 'expire', key);
  keyspaceEvents.note(expired, 'expired', key);
}

/** Counts on a key as `keys.increment` does, and notes the event. */
export function incrementNoted(
  { keys, server }: CommandContext,
  key: Key,
  by: Decimal,
  form: CounterForm,
): Uint8Array {
  const isNew = server.keyspaceEvents.isNew(keys, key);
  const total = keys.increment(key, by, form);
  if (isNew) server.keyspaceEvents.note(created, 'new', key);
  server.keyspaceEvents.note(string, form === 'float' ? 'incrbyfloat' : 'incrby', key);
  return total;
}

/** A key was looked for by a command that reads, and is not there. */
export function noteMiss({ server }: CommandContext, key: Key): void {
  server.keyspaceEvents.note(missed, 'keymiss', key);
}

/** The key is another one's value now; `event` says how. Whatever it held before, Redis makes it anew. */
export function noteTransfer({ server }: CommandContext, from: Key, to: Key, isRenamed: boolean): void {
  const { keyspaceEvents } = server;
  keyspaceEvents.note(created, 'new', to);
  if (isRenamed) keyspaceEvents.note(generic, 'rename_from', from);
  keyspaceEvents.note(generic, isRenamed ? 'rename_to' : 'copy_to', to);
}

/** It is deleted, and nobody is told, as Redis tells nobody of what FLUSHALL deletes. */
export function noteFlushed({ server }: Pick<CommandContext, 'server'>, key: Key): void {
  server.keyspaceEvents.note(UNTOLD, 'flushed', key);
}

/** Deletes a key as `keys.remove` does, and notes it. */
export function removeNoted({ keys, server }: CommandContext, key: Key): boolean {
  const wasThere = keys.remove(key);
  if (wasThere) server.keyspaceEvents.note(generic, 'del', key);
  return wasThere;
}
