/**
 * Peers that share no version of the protocol: one was upgraded too far, or another was left behind.
 *
 * Owns who is apart from whom, each pair told of once by whichever of the two hears the other: what a packet says of its sender's versions is proved.
 * That releases differ, and still understand each other, is findSameness.ts's.
 */
import { adviseApart, describeApart, describeRange } from '../../peer/versionsApart.ts';
import type { Reader } from '../../peer/versionsApart.ts';
import { groupBy, listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { answeredPeers } from './picture.ts';
import type { Picture } from './picture.ts';

interface Pair {
  readonly older: Reader;
  readonly newer: Reader;
}

interface Protocol {
  readonly findings: readonly Finding[];
  readonly pairs: readonly Pair[];
}

export function findProtocol(picture: Picture): Protocol {
  const pairs = listPairs(picture);
  const alike = groupBy(
    pairs,
    ({ older, newer }) => `${describeRange(older.reads)} and ${describeRange(newer.reads)}`,
  );
  const findings = [...alike.values()].flatMap((group): readonly Finding[] => {
    const [first] = group;
    if (first === undefined) return [];
    const [olderIds, newerIds] = [group.map(({ older }) => older.id), group.map(({ newer }) => newer.id)];
    const older = { ...first.older, id: listNames(olderIds) };
    const newer = { ...first.newer, id: listNames(newerIds) };
    return [
      {
        severity: 'fault',
        code: 'protocolVersion',
        peers: [...new Set([...olderIds, ...newerIds])],
        seen: describeApart(older, newer),
        fix: adviseApart(older, newer),
      },
    ];
  });
  return { findings, pairs };
}

function listPairs(picture: Picture): readonly Pair[] {
  const pairs = new Map<string, Pair>();
  for (const { name, answer } of answeredPeers(picture)) {
    const { protocol } = answer.status;
    if (protocol === undefined) continue;
    const own = { id: name, reads: protocol.reads };
    for (const other of protocol.apart) {
      const isOlder = own.reads.highest < other.reads.lowest;
      const pair = isOlder ? { older: own, newer: other } : { older: other, newer: own };
      pairs.set(`${pair.older.id} ${pair.newer.id}`, pair);
    }
  }
  return [...pairs.values()];
}
