/**
 * The checker of linearizable registers (tools/linearizability) against histories of which the verdict is known, and against every order tried by brute force.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { findViolation, type Operation } from '../../tools/linearizability/register.ts';

/** `w a 1 4`: written from 1 to 4; `r - 2 3`: nothing was read; `m`: a read by majority; `?` for an answer that never came. */
function history(...lines: readonly string[]): Operation[] {
  const kinds = { w: 'write', r: 'read', m: 'majority' } as const;
  return lines.map((line) => {
    const [kind, value, calledAt, returnedAt] = line.split(' ');
    if (kind !== 'w' && kind !== 'r' && kind !== 'm') throw new Error(line);
    return {
      key: 'k',
      kind: kinds[kind],
      value: value === '-' ? undefined : value,
      calledAt: Number(calledAt),
      returnedAt: returnedAt === '?' ? Infinity : Number(returnedAt),
    };
  });
}

const GOOD: Readonly<Record<string, Operation[]>> = {
  'nothing at all': [],
  'nothing is read before anything is written': history('r - 1 2'),
  'one after the other': history('w a 1 2', 'r a 3 4', 'w b 5 6', 'r b 7 8'),
  'a write takes effect before its answer': history('w a 1 6', 'r a 2 3', 'r a 4 5'),
  'two at once in the order of their reads': history('w a 1 6', 'w b 2 5', 'r a 7 8'),
  'reads at once on either side of a write': history('w a 1 2', 'w b 3 8', 'r a 4 5', 'r b 6 7'),
  'an unknown write that nobody saw': history('w a 1 2', 'w b 3 ?', 'r a 4 5'),
  'an unknown write that took effect long after': history(
    'w a 1 2',
    'w b 3 ?',
    'r a 4 5',
    'r b 6 7',
    'r b 8 9',
  ),
  'an unknown read': history('w a 1 2', 'r - 3 ?'),
  'a deletion': history('w a 1 2', 'w - 3 4', 'r - 5 6'),
  'an unknown deletion that is seen': history('w a 1 2', 'w - 3 ?', 'r a 4 5', 'r - 6 7'),
  'a majority that goes back while a write is under way': history('w a 1 2', 'w b 3 8', 'm b 4 5', 'm a 6 7'),
  'keys apart': [...history('w a 1 2', 'r a 5 6'), { ...history('r - 3 4')[0], key: 'other' } as Operation],
};

const BAD: Readonly<Record<string, Operation[]>> = {
  'a value that nobody wrote': history('r a 1 2'),
  'a value that is written only later': history('r a 1 2', 'w a 3 4'),
  'a write that was overlooked': history('w a 1 2', 'r - 3 4'),
  'an overwritten value': history('w a 1 2', 'w b 3 4', 'r a 5 6'),
  'a read that goes back while a write is under way': history('w a 1 2', 'w b 3 8', 'r b 4 5', 'r a 6 7'),
  'an unknown write that came and went': history('w a 1 2', 'w b 3 ?', 'r b 4 5', 'r a 6 7'),
  'a deleted value': history('w a 1 2', 'w - 3 4', 'r a 5 6'),
  'two reads that saw two writes in different orders': history(
    'w a 1 4',
    'w b 2 3',
    'r a 5 6',
    'r b 7 8',
    'r a 9 10',
  ),
  'a majority that overlooked what was written': history('w a 1 2', 'm - 3 4'),
  'a majority that saw what was overwritten': history('w a 1 2', 'w b 3 4', 'm a 5 6'),
  'one key of two': [...history('r - 1 2'), { ...history('r a 3 4')[0], key: 'other' } as Operation],
};

describe('the checker of linearizable registers', () => {
  for (const [name, operations] of Object.entries(GOOD))
    it(`passes ${name}`, () => {
      assert.equal(findViolation(operations), undefined);
    });

  for (const [name, operations] of Object.entries(BAD))
    it(`refuses ${name}`, () => {
      assert.notEqual(findViolation(operations), undefined);
    });

  it('says what fits into no order', () => {
    assert.deepEqual(findViolation(history('w a 1 2', 'w b 3 4', 'r a 5 6')), {
      key: 'k',
      why: 'the read of "a" from 5 to 6 fits into no order of what was done before its answer',
    });
  });

  it('finds the same as a trial of every order, in random histories of up to six operations', () => {
    const met = { good: 0, bad: 0 };
    fc.assert(
      fc.property(randomHistory, (operations) => {
        const isGood = canBeOrdered(operations, undefined);
        met[isGood ? 'good' : 'bad'] += 1;
        assert.equal(findViolation(operations) === undefined, isGood);
      }),
      { numRuns: 3000, seed: 7 },
    );
    assert.ok(Math.min(met.good, met.bad) > 300, JSON.stringify(met));
  });

  it('takes a long history of many clients in a moment', () => {
    assert.equal(findViolation(longHistory(20_000)), undefined);
  }).timeout(20_000);

  it('finds one wrong read in a long history', () => {
    const operations = longHistory(2_000);
    const at = operations.findLastIndex(({ kind }) => kind === 'read');
    const first = operations.find(({ kind }) => kind === 'write');
    operations[at] = { ...operations[at], value: first?.value } as Operation;
    assert.notEqual(findViolation(operations), undefined);
  }).timeout(20_000);
});

/** Up to six operations whose calls and answers come in any order; values are unique, reads read any of them. */
const randomHistory: fc.Arbitrary<Operation[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('read' as const, 'write' as const),
      isKnown: fc.boolean().chain((one) => fc.boolean().map((other) => one || other)),
      isDeletion: fc.integer({ min: 0, max: 4 }).map((drawn) => drawn === 0),
      reads: fc.nat({ max: 5 }),
      at: fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 400 })),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((drawn) => {
    const values = [undefined, ...drawn.flatMap(({ kind }, at) => (kind === 'write' ? [`v${at}`] : []))];
    return drawn.map(({ kind, isKnown, isDeletion, reads, at: [from, took] }, at) => ({
      key: 'k',
      kind,
      value: kind === 'read' ? values[reads % values.length] : isDeletion ? undefined : `v${at}`,
      // No two moments are the same.
      calledAt: from * 16 + 2 * at,
      returnedAt: isKnown ? (from + took) * 16 + 2 * at + 1 : Infinity,
    }));
  });

/** By the definition: some operation that none had returned before is the first, and the rest can be ordered after it. */
function canBeOrdered(left: readonly Operation[], value: string | undefined): boolean {
  if (left.every(({ returnedAt }) => returnedAt === Infinity)) return true;
  const firstAnswer = Math.min(...left.map(({ returnedAt }) => returnedAt));
  return left.some((operation, at) => {
    if (operation.calledAt > firstAnswer) return false;
    const isUnknownRead = operation.kind === 'read' && operation.returnedAt === Infinity;
    if (operation.kind === 'read' && !isUnknownRead && operation.value !== value) return false;
    const rest = left.filter((_, other) => other !== at);
    return canBeOrdered(rest, operation.kind === 'write' ? operation.value : value);
  });
}

/** As one register would do it, with operations that overlap in tens. */
function longHistory(count: number): Operation[] {
  let seed = 1;
  const draw = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  let value: string | undefined;
  return Array.from({ length: count }, (_, at) => {
    const kind = draw(2) === 0 ? ('write' as const) : ('read' as const);
    if (kind === 'write') value = `v${at}`;
    return {
      key: 'k',
      kind,
      value,
      calledAt: at * 100 - draw(500) + at / count,
      returnedAt: at * 100 + 50 + draw(500) + at / count,
    };
  });
}
