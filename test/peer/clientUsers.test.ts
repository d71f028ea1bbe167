/** The users file of Redis clients: its grammar, every fault with its line, adding and removing. */
import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import { ToposphereError } from '../../src/core/errors.ts';
import {
  addClientUser,
  hashPassword,
  parseClientUsers,
  removeClientUser,
} from '../../src/peer/clientUsers.ts';

const HASH = `sha256:${hashPassword('geheim').toString('hex')}`;

function faultsOf(text: string): readonly string[] {
  try {
    parseClientUsers(text, 'users');
  } catch (error) {
    ok(error instanceof ToposphereError);
    equal(error.code, 'BAD_CONFIGURATION');
    return error.message.split('\n');
  }
  return [];
}

describe('the users file', () => {
  it('holds a name, hashes, rights and prefixes a line, and comments', () => {
    const other = `sha256:${'0'.repeat(64)}`;
    const [shop, all] = parseClientUsers(
      `# users\n\nshop ${HASH},${other} read,admin shop: cart:  # of the shop\nall-of.it_1 ${HASH} write x *\n`,
      'users',
    );
    equal(shop?.name, 'shop');
    deepEqual(shop.passwordHashes.map(String).length, 2);
    deepEqual([...shop.rights], ['read', 'admin']);
    deepEqual(shop.prefixes, ['shop:', 'cart:']);
    equal(all?.prefixes, undefined);
    deepEqual([...(all?.rights ?? [])], ['write']);
  });

  it('tells every fault with its line, and quotes no hash', () => {
    const faults = faultsOf(
      [
        'a/b x read *',
        `default ${HASH} read *`,
        'b sha256:12 read *',
        `c ${HASH} reed *`,
        `d ${HASH} read,read *`,
        `e ${HASH} read`,
        `f ${HASH} read *`,
        `f ${HASH} read *`,
        `g ${HASH} read ü`,
      ].join('\n'),
    );
    const said = [
      [1, /no name/],
      [2, /--client-password-file/],
      [3, /no hash/],
      [4, /no rights/],
      [5, /no rights/],
      [6, /no prefixes/],
      [8, /already/],
      [9, /no prefixes/],
    ] as const;
    equal(faults.length, said.length, faults.join('\n'));
    for (const [index, [line, what]] of said.entries()) {
      match(faults[index] ?? '', new RegExp(`^users:${line}: `));
      match(faults[index] ?? '', what);
      ok(!(faults[index] ?? '').includes(HASH.slice(7, 20)));
    }
  });

  it('is refused when it holds nobody', () => {
    match(faultsOf('# nobody\n').join(), /toposphere user add users/);
  });

  it('gains and loses users, and keeps comments and order', () => {
    const first = addClientUser(undefined, 'users', {
      name: 'a',
      rights: 'read',
      prefixes: ['a:'],
      password: 'pw',
    });
    match(first, /^# Users of Redis clients/);
    const second = addClientUser(first, 'users', {
      name: 'b',
      rights: 'write,admin',
      prefixes: ['*'],
      password: 'pw',
    });
    ok(second.startsWith(first));
    deepEqual(
      parseClientUsers(second, 'users').map(({ name }) => name),
      ['a', 'b'],
    );
    equal(removeClientUser(second, 'users', 'b'), first);
    const refusals: readonly (() => string)[] = [
      () => removeClientUser(first, 'users', 'a'),
      () => removeClientUser(first, 'users', 'c'),
      () => addClientUser(first, 'users', { name: 'a', rights: 'read', prefixes: ['*'], password: 'pw' }),
      () => addClientUser(first, 'users', { name: 'c', rights: 'read', prefixes: ['x y'], password: 'pw' }),
      () => addClientUser(first, 'users', { name: 'c', rights: 'all', prefixes: ['*'], password: 'pw' }),
      () => addClientUser(first, 'users', { name: 'c', rights: 'read', prefixes: ['*'], password: '' }),
      () => addClientUser(first, 'users', { name: 'c d', rights: 'read', prefixes: ['*'], password: 'pw' }),
    ];
    for (const refused of refusals) throws(refused, { code: 'BAD_CONFIGURATION' }, String(refused));
  });
});
