/**
 * Timers as data: the core asks for one by name and later gets its token back; a newer request makes the
 * older token stale. One of each name at a time.
 */
import type { Now } from './clock.ts';
import type { TimerName } from './effects.ts';
import type { PeerState } from './state.ts';

/** Arms `timer` to fire in `delayMs`, replacing an earlier arming. */
export function schedule(state: PeerState, now: Now, timer: TimerName, delayMs: number): void {
  const armed = state.timers[timer];
  armed.token += 1;
  armed.dueMs = now.monotonicMs + delayMs;
  state.effects.push({ kind: 'schedule', timer, token: armed.token, delayMs });
}

/** Arms `timer` unless it is armed to fire by then anyway. */
export function scheduleBy(state: PeerState, now: Now, timer: TimerName, delayMs: number): void {
  if (state.timers[timer].dueMs <= now.monotonicMs + delayMs) return;
  schedule(state, now, timer, delayMs);
}

/** Whether `token` is the one armed last; disarms it. */
export function takeTimer(state: PeerState, timer: TimerName, token: number): boolean {
  const armed = state.timers[timer];
  if (armed.token !== token) return false;
  armed.dueMs = Infinity;
  return true;
}

/** `meanMs` give or take a tenth, so that peers started together do not speak in chorus. */
export function jittered(state: PeerState, meanMs: number): number {
  return meanMs * (0.9 + 0.2 * state.random());
}
