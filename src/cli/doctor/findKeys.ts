/**
 * Who has which cluster keys, by their ids alone: a peer without the key that others seal with, a rotation that is not finished, a key file that was not read again.
 *
 * Owns who is behind: of two keys the newer one is meant. Which step of a rotation is safe is judged as `toposphere status` does (keysReport.ts). That two keys
 * under one id differ nobody says, for that would help to guess them: it shows once one of them seals, by who refuses whose packets (findTrust.ts).
 */
import { isLaterKey } from '../../peer/clusterKeyFile.ts';
import { judgeRotation, newestKeyOf } from '../keysReport.ts';
import type { Keyed, Rotation } from '../keysReport.ts';
import { groupBy, listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { answeredPeers, examinedPeers } from './picture.ts';
import type { ExaminedPeer, Picture } from './picture.ts';

interface Keys {
  readonly findings: readonly Finding[];
  /** Pairs of which one does not open what the other seals. */
  readonly apart: readonly (readonly [string, string])[];
}

/** `of` seals with a key that `by` does not accept. */
interface Unopened {
  readonly by: Keyed;
  readonly of: Keyed;
}

export function findKeys(picture: Picture): Keys {
  const keyed = answeredPeers(picture).flatMap(({ name, answer }): readonly Keyed[] => {
    const keys = answer.status.clusterKeys;
    return keys === undefined ? [] : [{ name, keys }];
  });
  const unopened = keyed.flatMap((by) =>
    keyed
      .filter((of) => of !== by && !by.keys.accepted.includes(of.keys.sealing))
      .map((of): Unopened => ({ by, of })),
  );
  const unread = findUnread(picture);
  // Whoever lacks a key is mended first: what a rotation waits for is said of those that are left.
  const rotation = unopened.length > 0 ? [] : findRotation(picture, keyed, unread);
  return {
    findings: [...findMissing(unopened), ...findRetired(unopened), ...rotation, ...unread],
    apart: unopened.map(({ by, of }) => [by.name, of.name]),
  };
}

/** Whether the key that seals at `of` is newer than any that `by` has. */
function isNewer({ by, of }: Unopened): boolean {
  return isLaterKey(of.keys.sealing, newestKeyOf(by.keys.accepted));
}

function findMissing(unopened: readonly Unopened[]): readonly Finding[] {
  const groups = groupBy(unopened.filter(isNewer), ({ by, of }) => `${by.name} ${of.keys.sealing}`);
  return Array.from(groups.values(), (group): Finding => {
    const [name, keyId] = [group[0]?.by.name ?? '', group[0]?.of.keys.sealing ?? 0];
    const others = group.map(({ of }) => of.name);
    return {
      severity: 'fault',
      code: 'keyMissing',
      peers: [name],
      seen: `${name} does not have key ${keyId}, with which ${listNames(others)} ${others.length === 1 ? 'seals' : 'seal'}: it refuses all that comes from there`,
      fix: `copy the cluster key file of ${others[0] ?? ''} to ${name} (mode 600), then: ${reload([name])}`,
    };
  });
}

function findRetired(unopened: readonly Unopened[]): readonly Finding[] {
  const groups = groupBy(
    unopened.filter((pair) => !isNewer(pair)),
    ({ of }) => of.name,
  );
  return Array.from(groups, ([name, group]): Finding => {
    const [keyId, others] = [group[0]?.of.keys.sealing ?? 0, group.map(({ by }) => by.name)];
    return {
      severity: 'fault',
      code: 'keyRetired',
      peers: [name],
      seen: `${name} still seals with key ${keyId}, which ${listNames(others)} ${others.length === 1 ? 'does' : 'do'} not accept any more: all that it sends there is refused`,
      fix: `copy the cluster key file of ${others[0] ?? ''} to ${name} (mode 600), then: ${reload([name])}`,
    };
  });
}

function findRotation(
  picture: Picture,
  keyed: readonly Keyed[],
  unread: readonly Finding[],
): readonly Finding[] {
  const silent = picture.peers.filter(({ answer }) => answer === undefined).map(({ name }) => name);
  const rotation = judgeRotation(keyed, silent);
  if (rotation === undefined || rotation.kind === 'settled') return [];
  const told = new Set(unread.flatMap(({ peers }) => peers));
  // Their files have been changed already, and that is said with them.
  if ('peers' in rotation && rotation.peers.every((name) => told.has(name))) return [];
  const words = describeRotation(rotation, silent);
  return [{ severity: 'risk', code: 'keyRotation', ...words }];
}

function describeRotation(
  rotation: Exclude<Rotation, { readonly kind: 'settled' }>,
  silent: readonly string[],
): Pick<Finding, 'peers' | 'seen' | 'fix'> {
  const unfinished = 'the change of the cluster key is not finished';
  const copyTo = (names: readonly string[]): string =>
    `copy the newest cluster key file to ${listNames(names)} (mode 600), then: ${reload(names)}`;
  switch (rotation.kind) {
    case 'notAccepted':
    case 'notSealing': {
      const { peers, keyId } = rotation;
      const what = rotation.kind === 'notAccepted' ? 'is not accepted yet by' : 'does not seal yet at';
      return {
        peers,
        seen: `${unfinished}: key ${keyId} ${what} ${listNames(peers)}`,
        fix: copyTo(peers),
      };
    }
    case 'stillAccepted': {
      const { peers, keyIds } = rotation;
      return {
        peers,
        seen: `${unfinished}: key ${keyIds.join(', ')} is still accepted by ${listNames(peers)}, and not by the others`,
        fix: copyTo(peers),
      };
    }
    case 'unheard':
      return {
        peers: rotation.peers,
        seen: `${unfinished}: every peer that was asked seals with key ${rotation.keyId}, and another was the last that ${listNames(rotation.peers)} was heard under`,
        fix: `see that ${listNames(rotation.peers)} has the key file too; then: toposphere key retire`,
      };
    case 'unanswered':
      return {
        peers: silent,
        seen: `${unfinished}, and ${listNames(silent)} did not answer: which keys it has is not known`,
        fix: `promote and retire no key before ${listNames(silent)} has the key file`,
      };
    case 'mayPromote':
      return {
        peers: [],
        seen: `${unfinished}: every peer accepts key ${rotation.keyId}, and none seals with it`,
        fix: 'toposphere key promote <file>, copy the file to every machine, then: toposphere reload',
      };
    case 'mayRetire':
      return {
        peers: [],
        seen: `${unfinished}: every peer seals with key ${rotation.keyId}, and older ones are accepted still`,
        fix: 'toposphere key retire <file>, copy the file to every machine, then: toposphere reload',
      };
  }
}

/** Key files that say something else than their peers go by, or cannot be read any more. */
function findUnread(picture: Picture): readonly Finding[] {
  const edited = groupBy(examinedPeers(picture), ({ answer }) => {
    const keyIds = answer.examination.clusterKeyFile?.keyIds;
    const inUse = answer.status.clusterKeys?.accepted;
    return keyIds === undefined || inUse === undefined || keyIds.join() === inUse.join()
      ? undefined
      : `it holds ${describeKeyIds(keyIds)}, and ${describeKeyIds(inUse)} is in use`;
  });
  const unreadable = groupBy(
    examinedPeers(picture),
    ({ answer }) => answer.examination.clusterKeyFile?.fault,
  );
  return [
    ...Array.from(edited, ([difference, group]): Finding => {
      const names = group.map(({ name }) => name);
      return {
        severity: 'risk',
        code: 'keyFileEdited',
        peers: names,
        seen: `${listNames(group.map(pathOf))} on ${listNames(names)} was changed since it was read: ${difference}`,
        fix: reload(names),
      };
    }),
    ...Array.from(unreadable, ([fault, group]): Finding => {
      const names = group.map(({ name }) => name);
      return {
        severity: 'risk',
        code: 'keyFileUnreadable',
        peers: names,
        seen: `${listNames(names)} could not read the cluster key file again, and would not start with it: ${fault.split('\n')[0] ?? ''}`,
        fix: `put a right ${listNames(group.map(pathOf))} back there (mode 600)`,
      };
    }),
  ];
}

function reload(names: readonly string[]): string {
  return names.map((name) => `toposphere reload --id ${name}`).join(', ');
}

function pathOf({ answer }: ExaminedPeer): string {
  return answer.examination.clusterKeyFile?.path ?? 'the cluster key file';
}

/** The first seals. */
function describeKeyIds([sealing = 0, ...others]: readonly number[]): string {
  return `key ${sealing}${others.length === 0 ? '' : ` and, accepted, ${others.join(', ')}`}`;
}
