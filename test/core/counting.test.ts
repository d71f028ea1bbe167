/** Cells of counters: their codecs, and the rule that makes a total of them. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  AFTER_CELLS,
  CELL_PREFIX,
  cellKey,
  cellsOf,
  decodeCell,
  decodeCellKey,
  encodeCell,
  type CellName,
  type CounterBase,
} from '../../src/core/counterCells.ts';
import { absorbCells, baseFor, countTotal, judgeCells, type Cell } from '../../src/core/counting.ts';
import { addDecimals, formatDecimal, readDecimal, ZERO, type Decimal } from '../../src/core/decimal.ts';
import { isHidden } from '../../src/core/hiddenKeys.ts';
import {
  compareTags,
  SYNTHETIC_ID,
  type Entry,
  type Incarnation,
  type Key,
  type PeerId,
  type Tag,
  type Timestamp,
} from '../../src/core/types.ts';

const KEY = 'counter' as Key;
const numbers = fc.maxSafeNat();
const ids = fc.oneof(fc.stringMatching(/^[A-Za-z0-9_.-]{1,32}$/), fc.constant(SYNTHETIC_ID));
/** Full of the bytes that escape. */
const keys = fc
  .array(fc.oneof(fc.constantFrom(0, 1, 2, 0xfe, 0xff), fc.integer({ min: 0, max: 255 })), { maxLength: 12 })
  .map((bytes) => String.fromCharCode(...bytes) as Key);
const names: fc.Arbitrary<CellName> = fc
  .tuple(keys, fc.constantFrom('value', 'zero'), numbers, ids, numbers, numbers, ids, numbers)
  .map(([key, kind, timestamp, id, incarnation, sequence, writer, life]) => ({
    key,
    base: { kind, ...tag(timestamp, id, incarnation, sequence) },
    id: writer as PeerId,
    incarnation: life as Incarnation,
  }));

function tag(timestamp: number, id = 'a', incarnation = 1, sequence = timestamp): Tag {
  return {
    timestamp: timestamp as Timestamp,
    id: id as PeerId,
    incarnation: incarnation as Incarnation,
    sequence,
  };
}

function decimal(text: string): Decimal {
  const read = readDecimal(Buffer.from(text));
  assert.ok(read !== undefined, text);
  return read;
}

function entryOf(kind: Entry['kind'], at: Tag, value = ''): Entry {
  return { ...at, kind, expiresAt: 0, value: Buffer.from(value) };
}

function cell(base: CounterBase, sum: string, { id = 'a', incarnation = 1, absorbed = 0 } = {}): Cell {
  return {
    key: KEY,
    base,
    id: id as PeerId,
    incarnation: incarnation as Incarnation,
    sum: decimal(sum),
    absorbed: absorbed as Incarnation,
  };
}

const upon = (at: Tag): CounterBase => ({ kind: 'value', ...at });
const above = (at: Tag): CounterBase => ({ kind: 'zero', ...at });

function total(entry: Entry | undefined, isVisible: boolean, cells: readonly Cell[]): string | undefined {
  const sum = countTotal(entry, isVisible, cells);
  return sum === undefined ? undefined : formatDecimal(sum);
}

describe('cells of counters', () => {
  it('have keys that say what they are of, hidden and together', () => {
    fc.assert(
      fc.property(names, (name) => {
        const hidden = cellKey(name);
        assert.deepEqual(decodeCellKey(hidden), name);
        assert.ok(isHidden(hidden) && hidden > CELL_PREFIX && hidden < AFTER_CELLS);
        assert.ok(hidden.startsWith(cellsOf(name.key)));
      }),
    );
  });

  it('stand in the order of the keys they are of', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        fc.pre(one.key !== other.key);
        assert.equal(cellKey(one) < cellKey(other), one.key < other.key);
        assert.ok(!cellKey(one).startsWith(cellsOf(other.key)));
      }),
    );
  });

  it('have one key for each base and origin', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        if (cellKey(one) === cellKey(other)) assert.deepEqual(one, other);
      }),
    );
    const value = { key: KEY, base: upon(tag(7)), id: 'a' as PeerId, incarnation: 1 as Incarnation };
    assert.notEqual(cellKey(value), cellKey({ ...value, base: above(tag(7)) }));
  });

  it('are no cell where somebody else wrote the key, or a part of it', () => {
    const bytes = fc.uint8Array({ maxLength: 80 }).map((some) => String.fromCharCode(...some));
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          bytes.map((rest) => CELL_PREFIX + rest),
        ),
        (text) => {
          const name = decodeCellKey(text as Key);
          if (name !== undefined) assert.equal(cellKey(name), text);
        },
      ),
    );
    fc.assert(
      fc.property(names, fc.nat(), (name, cut) => {
        const hidden = cellKey(name);
        assert.equal(decodeCellKey(hidden.slice(0, cut % hidden.length) as Key), undefined);
        assert.equal(decodeCellKey(`${hidden}x` as Key), undefined);
      }),
    );
  });

  it('have values that are read as they were written; what nobody of this release wrote is none', () => {
    const sums = fc.tuple(fc.bigInt(), fc.integer({ min: 0, max: 17 }));
    fc.assert(
      fc.property(sums, numbers, ([mantissa, scale], absorbed) => {
        const content = { sum: addDecimals({ mantissa, scale }, ZERO), absorbed: absorbed as Incarnation };
        const bytes = encodeCell(content);
        assert.deepEqual(decodeCell(bytes), content);
        assert.deepEqual(decodeCell(Buffer.concat([Buffer.from('x'), bytes]).subarray(1)), content);
        for (let length = 0; length <= 9; length += 1)
          assert.equal(decodeCell(bytes.subarray(0, length)), undefined);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), fc.boolean(), (bytes, hasForm) => {
        if (hasForm && bytes.length > 0) bytes[0] = 1;
        const content = decodeCell(bytes);
        if (content !== undefined) assert.deepEqual(decodeCell(encodeCell(content)), content);
      }),
    );
    const long = encodeCell({ sum: decimal('1'.repeat(8_193)), absorbed: 0 as Incarnation });
    assert.equal(decodeCell(long), undefined);
  });
});

describe('the counting rule', () => {
  const value = entryOf('value', tag(10), '5');
  const gone = entryOf('tombstone', tag(10));

  it('counts upon the value that is seen, and nothing of another base', () => {
    const cells = [cell(upon(tag(10)), '2'), cell(upon(tag(10)), '0.5', { id: 'b' })];
    assert.equal(total(value, true, cells), '7.5');
    const others = [cell(upon(tag(9)), '100'), cell(above(tag(9)), '100'), cell(above(tag(10)), '100')];
    assert.equal(total(value, true, [...cells, ...others, cell(upon(tag(11)), '100')]), '7.5');
    assert.equal(total(value, true, others), undefined);
  });

  it('counts upon nothing where no value is seen', () => {
    const cells = [cell(above(tag(10)), '2'), cell(above(tag(12)), '-3', { id: 'b' })];
    for (const entry of [gone, undefined, entryOf('synthetic', tag(99, SYNTHETIC_ID)), value])
      assert.equal(total(entry, false, cells), '-1');
    assert.equal(total(entryOf('tombstone', tag(11)), false, cells), '-3');
    assert.equal(total(entryOf('tombstone', tag(12)), false, cells), '-3');
    assert.equal(total(entryOf('tombstone', tag(13)), false, cells), undefined);
    assert.equal(total(gone, false, [cell(upon(tag(10)), '2')]), undefined);
  });

  it('takes for dead what a later entry ended, and nothing else', () => {
    const [older, equal, newer] = [9, 10, 11].map((at) => tag(at));
    assert.ok(older !== undefined && equal !== undefined && newer !== undefined);
    for (const base of [upon, above]) {
      const judge = (entry: Entry | undefined, isVisible: boolean): readonly string[] =>
        judgeCells(entry, isVisible, [
          cell(base(older), '1'),
          cell(base(equal), '1'),
          cell(base(newer), '1'),
        ]);
      const is = (kind: string): string =>
        base === (kind === 'value' ? upon : above) ? 'counted' : 'waiting';
      assert.deepEqual(judge(value, true), ['dead', is('value'), 'waiting']);
      assert.deepEqual(judge(gone, false), ['dead', is('zero'), is('zero')]);
      assert.deepEqual(judge(undefined, false), [is('zero'), is('zero'), is('zero')]);
      assert.deepEqual(judge(entryOf('synthetic', tag(99)), false), [is('zero'), is('zero'), is('zero')]);
    }
  });

  it('shows what is no number as it is', () => {
    for (const text of ['', 'x', 'inf'])
      assert.equal(total(entryOf('value', tag(10), text), true, [cell(upon(tag(10)), '2')]), undefined);
  });

  it('counts what was absorbed once, whether or not its cell is still held', () => {
    const base = upon(tag(10));
    const [first, second, other] = [
      cell(base, '2', { incarnation: 1 }),
      cell(base, '3', { incarnation: 2 }),
      cell(base, '7', { id: 'b', incarnation: 1 }),
    ];
    const all = [first, second, other];
    const own = cell(base, '1', { incarnation: 3 });
    const absorbing = { ...own, ...absorbCells(own, [first, second]) };
    assert.equal(total(value, true, [...all, own]), '18');
    for (const held of [all, [first, other], [second, other], [other]])
      assert.equal(total(value, true, [...held, absorbing]), '18');
    assert.deepEqual(judgeCells(value, true, [...all, absorbing]), ['dead', 'dead', 'counted', 'counted']);
    const elsewhere = cell(upon(tag(11)), '9', { incarnation: 1 });
    assert.deepEqual(judgeCells(value, true, [elsewhere, absorbing]), ['waiting', 'counted']);
    assert.deepEqual(absorbCells(undefined, [absorbing]), { sum: decimal('6'), absorbed: 3 });
  });

  it('opens a base above all that was dropped here, or goes on upon one that counts', () => {
    const self = { id: 'a' as PeerId, incarnation: 2 as Incarnation };
    const horizon = 20 as Timestamp;
    const open = (entry: Entry | undefined, isVisible: boolean, cells: readonly Cell[] = []): CounterBase =>
      baseFor(entry, isVisible, cells, self, horizon);
    const least = above(tag(20, SYNTHETIC_ID, 0, 0));
    assert.deepEqual(open(value, true, [cell(above(tag(10)), '1')]), upon(tag(10)));
    assert.deepEqual(open(undefined, false), least);
    assert.deepEqual(open(gone, false), least);
    assert.deepEqual(open(value, false, [cell(upon(tag(10)), '1')]), least);
    for (const kind of ['tombstone', 'synthetic'] as const)
      assert.deepEqual(open(entryOf(kind, tag(30)), false), above(tag(30)));
    const others = [cell(above(tag(11)), '1', { id: 'b' }), cell(above(tag(15)), '1', { id: 'c' })];
    assert.deepEqual(open(gone, false, others), above(tag(15)));
    assert.deepEqual(
      open(gone, false, [...others, cell(above(tag(12)), '1', { incarnation: 2 })]),
      above(tag(12)),
    );
    assert.deepEqual(open(entryOf('tombstone', tag(40)), false, others), above(tag(40)));
  });
});

describe('counters that meet', () => {
  /** What one holds: the entry at the key, and of each cell the update with the largest tag. */
  interface Held {
    readonly entry: Entry | undefined;
    readonly cells: ReadonlyMap<Key, readonly [Tag, Cell]>;
  }

  const places = fc.integer({ min: 1, max: 4 });
  const bases = fc
    .tuple(fc.constantFrom('value', 'zero'), places)
    .map(([kind, at]): CounterBase => ({ kind, ...tag(at) }));
  const someCells = fc
    .record({
      base: bases,
      sum: fc.integer({ min: -9, max: 9 }),
      id: fc.constantFrom('a', 'b', 'c'),
      incarnation: fc.integer({ min: 1, max: 3 }),
      absorbed: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ base, sum, ...origin }) => cell(base, String(sum), origin));
  const entries = fc
    .tuple(fc.constantFrom('value', 'tombstone', 'synthetic'), places)
    .map(([kind, at]) =>
      kind === 'synthetic'
        ? entryOf(kind, tag(at, SYNTHETIC_ID, 0, 0))
        : entryOf(kind, tag(at, 'a', kind === 'value' ? 1 : 2), '5'),
    );
  /** All that was ever written of a key: each cell update under a tag of its own. */
  const history = fc
    .tuple(fc.array(entries, { maxLength: 4 }), fc.array(someCells, { maxLength: 12 }))
    .map(([written, cells]) => ({
      written,
      cells: cells.map((one, at) => [tag(at + 1, 'b', 1), one] as const),
    }));

  const larger = <T extends Tag>(one: T | undefined, other: T | undefined): T | undefined => {
    if (one === undefined || other === undefined) return one ?? other;
    return compareTags(one, other) < 0 ? other : one;
  };

  function merge(one: Held, other: Held): Held {
    const cells = new Map(one.cells);
    for (const [key, theirs] of other.cells) {
      const mine = cells.get(key);
      if (mine === undefined || compareTags(mine[0], theirs[0]) < 0) cells.set(key, theirs);
    }
    return { entry: larger(one.entry, other.entry), cells };
  }

  function holding(entry: Entry | undefined, cells: readonly (readonly [Tag, Cell])[]): Held {
    return cells
      .map((one): Held => ({ entry: undefined, cells: new Map([[cellKey(one[1]), one]]) }))
      .reduce(merge, { entry, cells: new Map() });
  }

  function shown({ entry, cells }: Held): string | undefined {
    return total(
      entry,
      entry?.kind === 'value',
      Array.from(cells.values(), ([, one]) => one),
    );
  }

  it('show the same, in whatever order and how often they met', () => {
    fc.assert(
      fc.property(
        history,
        fc.array(fc.nat(2), { minLength: 16, maxLength: 16 }),
        ({ written, cells }, draw) => {
          const part = (at: number): Held =>
            holding(
              written.filter((_, n) => draw[n] === at).reduce<Entry | undefined>(larger, undefined),
              cells.filter((_, n) => draw[4 + n] === at),
            );
          const [a, b, c] = [part(0), part(1), part(2)];
          const all = shown(holding(written.reduce<Entry | undefined>(larger, undefined), cells));
          assert.equal(shown(merge(merge(a, b), c)), all);
          assert.equal(shown(merge(a, merge(b, c))), all);
          assert.equal(shown(merge(merge(c, b), a)), all);
          const both = merge(a, b);
          assert.equal(shown(merge(both, both)), shown(both));
          assert.equal(shown(merge(merge(both, a), merge(b, both))), shown(both));
          assert.equal(shown(merge(b, a)), shown(both));
        },
      ),
    );
  });

  it('show what was counted since the last SET or DEL, of all sides', () => {
    const sides = fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(sides, sides, fc.boolean(), (before, after, isSet) => {
        const [old, fresh] = [upon(tag(1)), isSet ? upon(tag(5)) : above(tag(5))];
        const at = (base: CounterBase, lists: readonly (readonly number[])[]): (readonly [Tag, Cell])[] =>
          lists.flatMap((list, side) =>
            list.map((_, count) => {
              const sum = list.slice(0, count + 1).reduce((a, b) => a + b, 0);
              return [tag(10 + count, `p${side}`), cell(base, String(sum), { id: `p${side}` })] as const;
            }),
          );
        const base = isSet ? entryOf('value', tag(5), '100') : entryOf('tombstone', tag(5));
        const held = merge(
          holding(entryOf('value', tag(1), '7'), at(old, before)),
          holding(base, at(fresh, after)),
        );
        const counted = after.flat();
        const sum = counted.reduce((a, b) => a + b, isSet ? 100 : 0);
        assert.equal(shown(held), counted.length === 0 ? undefined : String(sum));
      }),
    );
  });
});
