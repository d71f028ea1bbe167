/** Exact decimals: what redis 7.0 takes for a number, and what it writes, was asked of it; sums against arithmetic on whole numbers. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addDecimals,
  formatDecimal,
  mayBeNumber,
  isFloatSized,
  isInteger64,
  parseFloating,
  parseInteger,
  readDecimal,
  ZERO,
  type Decimal,
} from '../../src/core/decimal.ts';

const PLACES = 10n ** 17n;
const decimals = fc
  .record({ mantissa: fc.bigInt(-(2n ** 80n), 2n ** 80n), scale: fc.integer({ min: 0, max: 17 }) })
  .map((one) => addDecimals(one, ZERO));

function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

function floating(text: string): string {
  const parsed = parseFloating(bytes(text));
  return parsed === undefined || parsed === 'infinite' ? String(parsed) : formatDecimal(parsed);
}

function decimal(text: string): Decimal {
  const read = readDecimal(bytes(text));
  assert.ok(read !== undefined, text);
  return read;
}

/** In units of the last place that there may be. */
function units({ mantissa, scale }: Decimal): bigint {
  return (mantissa * PLACES) / 10n ** BigInt(scale);
}

describe('decimals', () => {
  it('take integers as redis does: in 64 bits, in one way to write them', () => {
    for (const text of ['0', '7', '-1', '9223372036854775807', '-9223372036854775808'])
      assert.deepEqual(parseInteger(bytes(text)), { mantissa: BigInt(text), scale: 0 }, text);
    const others = [
      '',
      '-',
      '-0',
      '00',
      '05',
      '+5',
      ' 5',
      '5 ',
      '5.0',
      '1e3',
      '0x10',
      '٣',
      '9223372036854775808',
    ];
    for (const text of [...others, '-9223372036854775809', '1'.repeat(10_000)])
      assert.equal(parseInteger(bytes(text)), undefined, text);
  });

  it('take floats as redis does, and write them as it does', () => {
    const asked: readonly (readonly [text: string, answer: string])[] = [
      ['10.5', '10.5'],
      ['+5', '5'],
      ['05', '5'],
      ['.5', '0.5'],
      ['5.', '5'],
      ['5e3', '5000'],
      ['-5E-3', '-0.005'],
      ['-0', '0'],
      ['0e99999', '0'],
      ['0x10', '16'],
      ['0x1.8p1', '3'],
      ['-0X.8P-1', '-0.25'],
      ['12345678901234567890', '12345678901234567890'],
      ['1e-17', '0.00000000000000001'],
      ['0.000000000000000005', '0'],
      ['0.000000000000000015', '0.00000000000000002'],
      ['1e-4950', '0'],
      ['inf', 'infinite'],
      ['-Infinity', 'infinite'],
    ];
    for (const [text, answer] of asked) {
      assert.equal(floating(text), answer, text);
      assert.ok(answer === 'infinite' || mayBeNumber(bytes(text)), text);
    }
    for (const text of ['', 'inf', 'abc', ' 1']) assert.equal(mayBeNumber(bytes(text)), false, text);
    const others = [
      '',
      '.',
      '-',
      '1e',
      'e1',
      ' 1',
      '1 ',
      '1_000',
      '0x',
      '0x.',
      '0xg',
      'nan',
      'infinit',
      '1\0',
    ];
    for (const text of [...others, '1.2e4932', '-1.2e4932', '1e-4951', '1e999999999999', '0x1p16384'])
      assert.equal(floating(text), 'undefined', text);
    assert.notEqual(floating('1.1e4932'), 'undefined');
    assert.notEqual(floating('0'.repeat(5_119)), 'undefined');
    assert.equal(floating('0'.repeat(5_120)), 'undefined');
  });

  it('round what has more than 17 places, from the middle to the even one', () => {
    assert.equal(floating('0.123456789012345678'), '0.12345678901234568');
    assert.equal(floating('2.000000000000000025'), '2.00000000000000002');
    assert.equal(floating('2.0000000000000000250000001'), '2.00000000000000003');
    assert.equal(floating('-2.000000000000000035'), '-2.00000000000000004');
    assert.equal(floating('0.999999999999999999'), '1');
  });

  it('are read as they were written, and in no other way', () => {
    fc.assert(
      fc.property(decimals, (one) => {
        const text = formatDecimal(one);
        assert.deepEqual(readDecimal(bytes(text)), one);
        assert.equal(floating(text), text);
      }),
    );
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 17n), (mantissa) => {
        for (const parse of [readDecimal, parseInteger, parseFloating])
          assert.deepEqual(parse(bytes(mantissa.toString())), { mantissa, scale: 0 });
      }),
    );
    for (const text of [
      '',
      '-',
      '-0',
      '0.0',
      '1.50',
      '.5',
      '5.',
      '00',
      '01',
      '+1',
      '1e3',
      `0.${'1'.repeat(18)}`,
    ])
      assert.equal(readDecimal(bytes(text)), undefined, text);
  });

  it('add up exactly, in any order', () => {
    fc.assert(
      fc.property(decimals, decimals, decimals, (a, b, c) => {
        assert.equal(units(addDecimals(a, b)), units(a) + units(b));
        assert.deepEqual(addDecimals(a, b), addDecimals(b, a));
        assert.deepEqual(addDecimals(addDecimals(a, b), c), addDecimals(a, addDecimals(b, c)));
        assert.deepEqual(addDecimals(a, ZERO), a);
        const negative = { ...a, mantissa: -a.mantissa };
        assert.deepEqual(addDecimals(a, negative), ZERO);
      }),
    );
    assert.equal(formatDecimal(addDecimals(decimal('0.1'), decimal('0.2'))), '0.3');
  });

  it('know what 64 bits hold, and what a long double does', () => {
    const one = decimal('1');
    const largest = decimal('9223372036854775807');
    assert.ok(isInteger64(largest) && !isInteger64(addDecimals(largest, one)));
    const least = decimal('-9223372036854775808');
    assert.ok(isInteger64(least) && !isInteger64(addDecimals(least, decimal('-1'))));
    assert.ok(!isInteger64(decimal('0.5')));
    const far = parseFloating(bytes('1e4932'));
    assert.ok(far !== undefined && far !== 'infinite');
    assert.ok(isFloatSized(far) && !isFloatSized(addDecimals(far, far)));
    const below = { ...far, mantissa: -far.mantissa };
    assert.ok(isFloatSized(below) && !isFloatSized(addDecimals(below, below)));
  });
});
