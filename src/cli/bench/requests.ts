/**
 * The requests of a run, one after the other: which operation, on which key, with which value, at which level.
 *
 * Owns the bytes, made as text of one byte a character so that many go out in one write without a copy each. What a reply means is measurement.ts's. Invariant:
 * equal seeds and names of streams give equal requests, whoever sends them when.
 */
import { openStream, wholeBetween } from '../../simulator/random.ts';
import type { RandomStream } from '../../simulator/random.ts';
import { chooseUniform, chooseZipf } from './keyChooser.ts';
import type { Mix, Operation, Plan } from './plan.ts';

export interface BenchRequest {
  /** Index of the operation in the plan's mix. */
  readonly operation: number;
  /** One character a byte. */
  readonly text: string;
}

/** Values are pieces of this much random text beyond the longest of them, so that few are alike and no compression helps. */
const SPARE_CHARACTERS = 65_536;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function keyName(plan: Plan, number: number): string {
  return `${plan.prefix}${number}`;
}

/** Answers values, at each call another one. */
export function createValues(plan: Plan, random: RandomStream): () => string {
  const { least, most } = plan.sizes;
  const bytes = Buffer.alloc(most + SPARE_CHARACTERS);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = ALPHABET.charCodeAt(Math.floor(random() * ALPHABET.length));
  const text = bytes.toString('latin1');
  return () => {
    const start = Math.floor(random() * SPARE_CHARACTERS);
    return text.slice(start, start + wholeBetween(random, least, most));
  };
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** What stands before the key: the number of words, TOPOSPHERE DO and the level where one is asked for, the command's name. */
function createHead(plan: Plan, operation: Operation): string {
  const choices = operation === 'get' ? plan.readChoices : plan.writeChoices;
  const before = choices.length === 0 ? [] : ['TOPOSPHERE', 'DO', ...choices, 'RUN'];
  const words = [...before, operation.toUpperCase()];
  const count = words.length + (operation === 'set' ? 2 : 1);
  return `*${count}\r\n${words.map(bulk).join('')}`;
}

function createPicker(mix: Mix, random: RandomStream): () => number {
  const total = mix.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    let left = random() * total;
    for (const [index, { weight }] of mix.entries()) {
      left -= weight;
      if (left < 0) return index;
    }
    return mix.length - 1; // what rounding left over
  };
}

/** Those of one of the run's threads. */
export function createRequests(plan: Plan, thread: number): () => BenchRequest {
  const open = (concern: string): RandomStream => openStream(plan.seed, `${concern} ${thread}`);
  const pick = createPicker(plan.mix, open('operations'));
  const choose =
    plan.zipf === undefined
      ? chooseUniform(open('keys'), plan.keys)
      : chooseZipf(open('keys'), plan.keys, plan.zipf);
  const value = createValues(plan, open('values'));
  const heads = plan.mix.map(({ operation }) => createHead(plan, operation));
  const hasValue = plan.mix.map(({ operation }) => operation === 'set');
  return () => {
    const operation = pick();
    const key = bulk(keyName(plan, choose()));
    const head = heads[operation] ?? '';
    return { operation, text: hasValue[operation] === true ? head + key + bulk(value()) : head + key };
  };
}
