import assert from 'node:assert/strict';
import {
  highestCommon,
  packRange,
  unpackRange,
  versionFor,
  versionForAll,
  type VersionRange,
} from '../../src/wire/versions.ts';

const range = (lowest: number, highest = lowest): VersionRange => ({ lowest, highest });
const [ONE, ONE_TWO, TWO, TWO_THREE] = [range(1), range(1, 2), range(2), range(2, 3)];
const RANGES = [ONE, ONE_TWO, TWO, TWO_THREE];

describe('what versions two peers share', () => {
  it('is the highest that both read, the same from either side', () => {
    const table = [
      [1, 1, undefined, undefined],
      [1, 2, 2, 2],
      [undefined, 2, 2, 2],
      [undefined, 2, 2, 3],
    ];
    assert.deepEqual(
      RANGES.map((one) => RANGES.map((other) => highestCommon(one, other))),
      table,
    );
  });

  it('is spoken to one; the lowest to who is not known, or shares none and is to learn it', () => {
    const table = [
      [1, 1, 1, 1],
      [1, 2, 2, 2],
      [2, 2, 2, 2],
      [2, 2, 2, 3],
    ];
    assert.deepEqual(
      RANGES.map((own) => RANGES.map((reader) => versionFor(own, reader))),
      table,
    );
    assert.deepEqual(
      RANGES.map((own) => versionFor(own, undefined)),
      [1, 1, 2, 2],
    );
  });
});

describe('the version spoken to all', () => {
  const cases: [own: VersionRange, readers: VersionRange[], version: number, what: string][] = [
    [ONE_TWO, [], 1, 'is the lowest while nobody is known'],
    [ONE_TWO, [ONE_TWO, ONE_TWO], 2, 'is the highest when all read it'],
    [ONE_TWO, [ONE_TWO, ONE], 1, 'waits for the last one to be upgraded'],
    [TWO_THREE, [ONE_TWO, TWO_THREE], 2, 'is what an old and a new one share'],
    [ONE_TWO, [TWO_THREE, TWO_THREE, ONE], 2, 'is what most read when not all share one'],
    [ONE_TWO, [TWO, ONE], 2, 'is the higher where as many read either'],
    [ONE, [TWO, TWO_THREE], 1, 'is an own one when nobody reads it'],
    [ONE_TWO, [range(3), range(3), ONE], 1, 'does not count who shares none'],
    [TWO_THREE, [ONE, ONE_TWO], 2, 'is none that is not read here'],
  ];
  for (const [own, readers, version, what] of cases)
    it(what, () => {
      assert.equal(versionForAll(own, readers), version);
    });
});

describe('a range in the flags of a packet', () => {
  it('is read as it was written, around any version in it', () => {
    for (let lowest = 1; lowest <= 20; lowest += 1)
      for (let highest = lowest; highest <= lowest + 7; highest += 1)
        for (let version = lowest; version <= highest; version += 1)
          assert.deepEqual(unpackRange(packRange(range(lowest, highest), version) | 3, version), {
            lowest,
            highest,
          });
  });

  it('is nothing for who reads one version: the bytes of version 1 are what they were', () => {
    assert.equal(packRange(ONE, 1), 0);
    assert.deepEqual(unpackRange(3, 1), ONE);
  });

  it('is refused where no peer can have said it', () => {
    assert.equal(unpackRange(packRange(ONE_TWO, 2), 1), undefined); // from 0 on
    assert.equal(unpackRange(packRange(ONE_TWO, 1), 255), undefined); // up to 256
    assert.equal(unpackRange(0, 0), undefined);
  });

  it('cannot be written around a version that is not in it, or is too far from its ends', () => {
    assert.throws(() => packRange(TWO, 1), /version 1 cannot be spoken by who reads 2 to 2/);
    assert.throws(() => packRange(range(1, 9), 1), /reads 1 to 9/);
  });
});
