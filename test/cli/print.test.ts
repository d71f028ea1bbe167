/**
 * What the terminal shows: quoted bytes, tables, failures.
 */
import assert from 'node:assert/strict';
import { CommandFailure, describeFailure } from '../../src/cli/failure.ts';
import { quoteBytes, renderTable } from '../../src/cli/print.ts';
import { ToposphereError } from '../../src/core/errors.ts';

describe('quoting', () => {
  for (const plain of ['a', '42', 'user:1/ü€😀', '-x', "it's"]) {
    it(`shows ${plain} as it is`, () => {
      assert.equal(quoteBytes(Buffer.from(plain)), plain);
    });
  }
  for (const [bytes, shown] of [
    ['', '""'],
    ['a b', '"a b"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['a\r\n\tb', '"a\\r\\n\\tb"'],
    ['\u001b[31m', '"\\x1b[31m"'],
    ['\ufeffa', '"\\xef\\xbb\\xbfa"'],
    ['ü\u0000', '"ü\\x00"'],
    ['a\u00a0b', '"a\\xc2\\xa0b"'],
  ] as const) {
    it(`shows ${JSON.stringify(bytes)} as ${shown}`, () => {
      assert.equal(quoteBytes(Buffer.from(bytes)), shown);
    });
  }

  it('shows bytes that are no text one by one', () => {
    assert.equal(quoteBytes(Buffer.from([0x61, 0xff, 0x0a, 0x22])), '"a\\xff\\n\\""');
  });

  it('never puts a control character on the terminal', () => {
    for (let byte = 0; byte < 256; byte++) {
      assert.match(quoteBytes(Buffer.from([byte])), /^[\x20-\x7e]+$/);
    }
  });
});

describe('a table', () => {
  it('pads each column to its widest cell, and leaves no blanks at the end', () => {
    assert.deepEqual(
      renderTable(
        ['peer', 'keys'],
        [
          ['alpha', '1'],
          ['b', '12345'],
        ],
      ),
      ['peer   keys', 'alpha  1', 'b      12345'],
    );
  });
});

describe('a failure', () => {
  it('is one line a fault, each with its prefix, without a stack', () => {
    const error = new ToposphereError('BAD_CONFIGURATION', 'one\ntwo');
    assert.deepEqual(describeFailure(error), ['toposphere: one', 'toposphere: two']);
    assert.deepEqual(describeFailure(new CommandFailure('three')), ['toposphere: three']);
  });

  it('that is a defect of our own shows where it happened', () => {
    assert.match(
      describeFailure(new TypeError('oops')).join(),
      /^toposphere: internal error, .*TypeError: oops\n +at /s,
    );
  });
});
