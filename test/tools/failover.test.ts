/** The witness of the failover tool: what it lets pass and what not. */
import assert from 'node:assert/strict';
import { Witness } from '../../tools/failover/witness.ts';

describe('a witness of one key', () => {
  it('lets a client read what it was acknowledged, or anything newer', () => {
    const witness = new Witness();
    assert.equal(witness.read(0), undefined);
    witness.acknowledge(witness.next());
    assert.equal(witness.read(1), undefined);
    assert.equal(witness.next(), 2); // in doubt: it may show, and may not
    assert.equal(witness.read(1), undefined);
    assert.equal(witness.read(2), undefined);
    assert.equal(witness.floor, 2);
  });

  it('sees an own write that is not there, and a step back in what others wrote', () => {
    const witness = new Witness();
    witness.acknowledge(witness.next());
    assert.match(witness.read(0) ?? '', /acknowledged/);
    const other = new Witness();
    assert.equal(other.read(5), undefined);
    assert.match(other.read(4) ?? '', /newer before/);
  });

  it('forgives when the client was told of a loss', () => {
    const witness = new Witness();
    witness.acknowledge(witness.next());
    witness.forgive();
    assert.equal(witness.read(0), undefined);
    assert.equal(witness.next(), 2);
  });
});
