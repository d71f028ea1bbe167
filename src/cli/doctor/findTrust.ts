/**
 * Who refuses whom, and why: another cluster key, another cluster, another version, a rehearsed cut, a peer that was forgotten, strangers.
 *
 * Owns who is to blame: the peer that most others refuse. A refusal counts while the one that is refused is not heard: what is counted may be long
 * past. Which keys peers have is findKeys.ts's, and explains refusals first. Also answers which pairs are apart for such a reason, so that they are not taken for a
 * lost link.
 */
import { formatAddress } from '../../network/tcp.ts';
import { listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { findKeys } from './findKeys.ts';
import { findProtocol } from './findProtocol.ts';
import { answeredPeers } from './picture.ts';
import type { AnsweredPeer, Picture } from './picture.ts';

/** Reasons for which a packet is refused unread (src/wire/envelope.ts), as an operator has to hear of them. */
const REFUSALS: Readonly<Record<string, { readonly seen: string; readonly fix: string }>> = {
  badSeal: {
    seen: 'it was sealed with another cluster key',
    fix: 'give it the same cluster key file as the others (--cluster-key-file), and start it again',
  },
  unknownKey: {
    seen: 'it was sealed with a key that they do not have',
    fix: 'give all peers the same cluster key file (--cluster-key-file), then: toposphere reload',
  },
  notSealed: {
    seen: 'it came without a seal, and they have a cluster key',
    fix: 'start it with the cluster key file of the others (--cluster-key-file)',
  },
  unexpectedSeal: {
    seen: 'it was sealed, and they have no cluster key',
    fix: 'start all peers with the same --cluster-key-file, or none',
  },
  otherCluster: {
    seen: 'it is of another cluster',
    fix: 'start it with the --cluster-id of the others, or give it ports and a servers.txt of its own',
  },
};

interface Refusal {
  readonly by: string;
  readonly of: string;
  readonly reason: string;
  /** The id under which the two have different keys, as far as that is known. */
  readonly keyId: number | undefined;
}

interface Trust {
  readonly findings: readonly Finding[];
  /** Whether it is known why two peers do not hear each other. */
  readonly isExplained: (a: string, b: string) => boolean;
}

export function findTrust(picture: Picture): Trust {
  const keys = findKeys(picture);
  const apart = new Set<string>();
  const note = (a: string, b: string): void => void apart.add(`${a} ${b}`).add(`${b} ${a}`);
  for (const [by, of] of keys.apart) note(by, of);
  const protocol = findProtocol(picture);
  const refusals = listRefusals(picture).filter(({ by, of }) => !apart.has(`${by} ${of}`));
  for (const { by, of } of refusals) note(by, of);
  for (const { older, newer } of protocol.pairs) note(older.id, newer.id);
  for (const { name, answer } of answeredPeers(picture)) {
    for (const id of answer.rehearsedCuts) note(name, id);
    if (answer.status.phase === 'forgotten') for (const other of picture.peers) note(name, other.name);
  }
  return {
    findings: [
      ...keys.findings,
      ...findRefused(refusals),
      ...protocol.findings,
      ...findStrangers(picture),
      ...findRehearsed(picture),
      ...findApart(picture),
    ],
    isExplained: (a, b) => apart.has(`${a} ${b}`),
  };
}

/** Packets that one peer refuses of another it does not hear. */
function listRefusals(picture: Picture): readonly Refusal[] {
  const peers = answeredPeers(picture);
  const nameAt = new Map(
    picture.peers.flatMap(({ name, peers: address }) =>
      address === undefined ? [] : [[formatAddress(address.host, address.port), name] as const],
    ),
  );
  return peers.flatMap((observer) =>
    [...observer.answer.dropSources].flatMap(([reason, source]): readonly Refusal[] => {
      const of = nameAt.get(source);
      if (of === undefined || of === observer.name || !(reason in REFUSALS)) return [];
      if (hears(observer, of)) return [];
      const sender = peers.find(({ name }) => name === of);
      const keyId = reason === 'badSeal' && sender ? findCommonKey(observer, sender) : undefined;
      return [{ by: observer.name, of, reason, keyId }];
    }),
  );
}

/** The key with which one seals, if the other has one of that id. */
function findCommonKey(observer: AnsweredPeer, sender: AnsweredPeer): number | undefined {
  const keyId = sender.answer.status.clusterKeys?.sealing;
  const accepted = observer.answer.status.clusterKeys?.accepted ?? [];
  return keyId !== undefined && accepted.includes(keyId) ? keyId : undefined;
}

function hears({ answer }: AnsweredPeer, id: string): boolean {
  return answer.status.members.some((member) => member.id === id && member.heard);
}

/** One finding for each peer that is to blame: those that are in most of the refusals, until none is left. */
function findRefused(refusals: readonly Refusal[]): readonly Finding[] {
  const findings: Finding[] = [];
  let open = refusals;
  while (open.length > 0) {
    const partners = new Map<string, Set<string>>();
    const pair = (a: string, b: string): void => void partners.set(a, (partners.get(a) ?? new Set()).add(b));
    for (const { by, of } of open) {
      pair(by, of);
      pair(of, by);
    }
    const [[blamed, others] = ['', new Set<string>()], next] = [...partners].sort(
      ([, a], [, b]) => b.size - a.size,
    );
    const isEven = next !== undefined && next[1].size === others.size;
    const about = open.filter(({ by, of }) => by === blamed || of === blamed);
    const { reason = '', keyId } = about.find(({ of }) => of === blamed) ?? about[0] ?? {};
    const words = REFUSALS[reason];
    const sameId = keyId === undefined ? '' : `, under the same id ${keyId}`;
    findings.push({
      severity: 'fault',
      code: reason === 'otherCluster' ? 'otherCluster' : 'wrongKey',
      peers: isEven ? [blamed, ...others] : [blamed],
      seen: isEven
        ? `${blamed} and ${listNames([...others])} refuse each other's packets (${reason}): one of them has another cluster key${sameId === '' ? ' or cluster id' : sameId}`
        : `what ${blamed} sends is refused by ${listNames([...others])} (${reason}): ${words?.seen ?? ''}${sameId}`,
      fix: `${isEven ? `of ${blamed} or ${listNames([...others])}: ` : `${blamed}: `}${words?.fix ?? ''}`,
    });
    open = open.filter(({ by, of }) => by !== blamed && of !== blamed);
  }
  return findings;
}

/** Packets refused from addresses that no peer has. */
function findStrangers(picture: Picture): readonly Finding[] {
  const known = new Set(picture.peers.flatMap(({ peers }) => (peers === undefined ? [] : [peers.host])));
  const bySource = new Map<string, { readonly observers: string[]; readonly reason: string }>();
  for (const { name, answer } of answeredPeers(picture)) {
    for (const [reason, source] of answer.dropSources) {
      const host = source.slice(0, source.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
      if (!(reason in REFUSALS) || known.has(host)) continue;
      const seen = bySource.get(source) ?? { observers: [], reason };
      seen.observers.push(name);
      bySource.set(source, seen);
    }
  }
  return Array.from(bySource, ([source, { observers, reason }]): Finding => ({
    severity: 'note',
    code: 'stranger',
    peers: observers,
    seen: `${listNames(observers)} refused packets from ${source} (${reason}), where no peer of servers.txt is`,
    fix: 'none is needed, they do no harm; if it is a peer of yours, add its line and give it the cluster key',
  }));
}

function findRehearsed(picture: Picture): readonly Finding[] {
  return answeredPeers(picture).flatMap(({ name, answer }): readonly Finding[] => {
    const drops = Array.from(
      answer.rehearsedDrops,
      ([kind, share]) => `loses ${Math.round(share * 100)}% of ${kind}`,
    );
    const cuts =
      answer.rehearsedCuts.length === 0 ? [] : [`is cut off from ${listNames(answer.rehearsedCuts)}`];
    if (drops.length + cuts.length === 0) return [];
    return [
      {
        severity: 'risk',
        code: 'rehearsed',
        peers: [name],
        seen: `a fault is rehearsed on ${name}: it ${[...cuts, ...drops].join(' and ')}`,
        fix: `toposphere faults heal --id ${name}`,
      },
    ];
  });
}

function findApart(picture: Picture): readonly Finding[] {
  const told = new Set<string>();
  return answeredPeers(picture).flatMap(({ name, answer }) =>
    answer.status.members.flatMap(({ id, alive, apart }): readonly Finding[] => {
      if (!alive || !apart || told.has(`${id} ${name}`)) return [];
      told.add(`${name} ${id}`);
      return [
        {
          severity: 'fault',
          code: 'apart',
          peers: [name, id],
          seen: `${name} and ${id} were started apart, and both hold data: nothing passes between them`,
          fix: `decide whose data is to stay, and start the other one again with an empty data directory`,
        },
      ];
    }),
  );
}
