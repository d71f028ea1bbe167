/**
 * What simulated requests with ids ask for, and what each would answer and change on a peer, as a command does that runs on buffered keys.
 *
 * When one is executed, and how often, is requestClients.ts's. Invariant: nothing is written here.
 */
import { isVisible } from '../core/expiry.ts';
import type { Key } from '../core/types.ts';
import type { KeyWrite } from '../core/write.ts';
import { drawCounted, planCounted, type CountedRequest } from './countedRequests.ts';
import { chance, pick, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import type { VirtualPeer } from './virtualPeer.ts';

/** Of requests, where others count: such that do. */
const COUNTED_SHARE = 0.3;

export interface AskedCommand {
  readonly token: string;
  readonly verb: 'append' | 'setnx' | 'set' | 'delete' | 'increment';
  /** Of an increment, whose key is that. */
  readonly counted: CountedRequest | undefined;
  readonly key: Key;
}

/** `counting`: of increments; undefined where nobody counts. */
export function drawCommand(
  random: RandomStream,
  counting: RandomStream | undefined,
): Omit<AskedCommand, 'token'> {
  const verb = pick(random, ['append', 'append', 'setnx', 'set', 'delete'] as const);
  const key =
    verb === 'append' ? `append.${wholeBetween(random, 1, 3)}` : `once.${wholeBetween(random, 1, 4)}`;
  if (counting === undefined || !chance(counting, COUNTED_SHARE))
    return { verb, counted: undefined, key: key as Key };
  const counted = drawCounted(counting);
  return { verb: 'increment', counted, key: counted.key };
}

/** An error as the reply is no execution. */
type Ran =
  | { readonly kind: 'done'; readonly reply: string; readonly changes: readonly KeyWrite[] }
  | { readonly kind: 'error' | 'refused' };

export function runAsked(peer: VirtualPeer, asked: AskedCommand): Ran {
  if (asked.counted === undefined) return { kind: 'done', ...runPlain(peer, asked) };
  const planned = planCounted(peer, asked.counted);
  if (planned.kind === 'fault') return { kind: 'error' };
  if (planned.kind === 'refused') return { kind: 'refused' };
  return { kind: 'done', reply: `:${planned.total} ${asked.token}`, changes: [planned.change] };
}

/** What the command would answer and change here and now. */
function runPlain(
  peer: VirtualPeer,
  { verb, key, token }: AskedCommand,
): { readonly reply: string; readonly changes: readonly KeyWrite[] } {
  const entry = peer.disk.store.readEntry(key);
  const old = entry !== undefined && isVisible(peer.state, peer.now(), entry) ? entry.value : undefined;
  const write = (value: Uint8Array | undefined): readonly KeyWrite[] => [{ key, value, expiresAt: 0 }];
  switch (verb) {
    case 'append': {
      const value = Buffer.concat([old ?? Buffer.alloc(0), Buffer.from(`${token};`)]);
      return { reply: `:${value.length} ${token}`, changes: write(value) };
    }
    case 'setnx':
      return old === undefined
        ? { reply: `:1 ${token}`, changes: write(Buffer.from(token)) }
        : { reply: `:0 ${token}`, changes: [] };
    case 'set':
      return { reply: `+OK ${token}`, changes: write(Buffer.from(token)) };
    case 'delete':
      return {
        reply: `${old === undefined ? 0 : 1} ${token}`,
        changes: old === undefined ? [] : write(undefined),
      };
    case 'increment':
      throw new Error('what counts is planned');
  }
}
