/**
 * Asks every peer what `toposphere doctor` wants to know, and tries its ports from here.
 *
 * Owns the order and the patience: STATUS first and by itself, for the clocks are read off its round trip; then what takes longer. Whoever does not
 * answer is part of the picture. Leaves the comparison of keys to compareKeys.ts.
 */
import { probeTcp } from '../../network/probe.ts';
import type { Address } from '../connection.ts';
import { replyText, withConnection } from '../connection.ts';
import { CommandFailure, PasswordRefusal } from '../failure.ts';
import { nameOf } from '../target.ts';
import type { Target } from '../target.ts';
import { parseAnswer, parseExamination } from './picture.ts';
import type { Answer, PeerPicture } from './picture.ts';

/** Milliseconds a peer is given to describe itself: it does so from memory. */
const STATUS_TIMEOUT_MS = 3000;
/** Milliseconds for what it has to measure first; it gives up by itself after three seconds. */
const EXAMINE_TIMEOUT_MS = 10_000;
/** STATUS is asked so many times: the quickest answer says most of the clock. */
const STATUS_ASKED = 3;

/** A peer to be asked, and where other peers reach it, if known. */
interface Patient {
  readonly target: Target;
  readonly peers: Address | undefined;
}

export async function askPeer({ target, peers }: Patient): Promise<PeerPicture> {
  const name = nameOf(target);
  const { id, ...clients } = target;
  const streamReach = peers === undefined ? undefined : await probeTcp(peers);
  try {
    const said = await askStatus(target);
    const examined = await askExamination(target);
    const answer = { ...said, ...examined };
    // Whoever was asked for by address has a name as well.
    return {
      name: id ?? said.status.id ?? name,
      clients,
      peers,
      answer,
      silence: undefined,
      passwordRefused: undefined,
      clientReach: 'open',
      streamReach,
    };
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const clientReach = await probeTcp(clients);
    const passwordRefused = error instanceof PasswordRefusal ? error.password : undefined;
    return {
      ...{ name, clients, peers, answer: undefined, silence: error.message },
      ...{ passwordRefused, clientReach, streamReach },
    };
  }
}

async function askStatus(address: Address): Promise<Omit<Answer, 'examination' | 'examinationFault'>> {
  return withConnection(address, async (connection) => {
    const ask = async () => {
      const askedMs = Date.now();
      const json = replyText(await connection.request(['TOPOSPHERE', 'STATUS'], STATUS_TIMEOUT_MS));
      return parseAnswer(json, askedMs, Date.now());
    };
    let best = await ask();
    for (let asked = 1; asked < STATUS_ASKED; asked += 1) {
      const next = await ask();
      const { wallOffsetMs, wallUncertainMs } = best.wallUncertainMs <= next.wallUncertainMs ? best : next;
      best = { ...next, wallOffsetMs, wallUncertainMs };
    }
    return best;
  });
}

async function askExamination(address: Address): Promise<Pick<Answer, 'examination' | 'examinationFault'>> {
  try {
    return await withConnection(address, async (connection) => {
      const reply = await connection.request(['TOPOSPHERE', 'DOCTOR'], EXAMINE_TIMEOUT_MS);
      return { examination: parseExamination(replyText(reply)), examinationFault: undefined };
    });
  } catch (error) {
    if (!(error instanceof CommandFailure) && !(error instanceof SyntaxError)) throw error;
    return { examination: undefined, examinationFault: error.message };
  }
}
