/**
 * What should be the same on every peer and is not: servers.txt, settings, versions.
 *
 * Owns the comparison of servers.txt line by line. The file here counts as the one that is meant, unless all peers agree on another.
 */
import { groupBy, listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { answeredPeers, examinedPeers } from './picture.ts';
import type { ExaminedPeer, Picture } from './picture.ts';

export function findSameness(picture: Picture): readonly Finding[] {
  return [
    ...findServers(picture),
    ...findStaleServers(picture),
    ...findUnsaidServers(picture),
    ...findShared(picture),
    ...findVersions(picture),
  ];
}

function findServers(picture: Picture): readonly Finding[] {
  const byText = groupBy(examinedPeers(picture), ({ answer }) => answer.examination.serversText);
  const meant = meantText(picture, byText);
  if (meant === undefined) return [];
  const findings: Finding[] = [];
  for (const [text, peers] of byText) {
    if (text === meant.text) continue;
    const names = peers.map(({ name }) => name);
    findings.push({
      severity: 'fault',
      code: 'serversDiffer',
      peers: names,
      seen: `servers.txt on ${listNames(names)} differs from ${meant.name}: ${describeDifference(text, meant.text, meant.name)}`,
      fix: `make ${listNames(peers.map(pathOf))} there the same as ${meant.name}, then ${reloads(names)} (a peer whose own line changes is started again)`,
    });
  }
  const { local } = picture;
  if (local !== undefined && local.text !== meant.text) {
    findings.push({
      severity: 'risk',
      code: 'serversDiffer',
      peers: [],
      seen: `${local.name} here differs from servers.txt on all peers: ${describeDifference(local.text, meant.text, 'that of the peers')}`,
      fix: `copy theirs, or, if this one is the newer, copy it to each machine and run: toposphere reload`,
    });
  }
  return findings;
}

/** The text that all others are held against. */
function meantText(
  { local }: Picture,
  byText: ReadonlyMap<string, readonly ExaminedPeer[]>,
): { readonly name: string; readonly text: string } | undefined {
  const largest = [...byText].sort(([, a], [, b]) => b.length - a.length)[0];
  if (largest === undefined) return undefined;
  const [text, peers] = largest;
  const isAgreed = byText.size === 1 && peers.length > 1;
  if (local !== undefined && !isAgreed) return local;
  return { name: `that of ${listNames(peers.map(({ name }) => name))}`, text };
}

function pathOf({ answer }: ExaminedPeer): string {
  return answer.examination.serversPath ?? 'servers.txt';
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** Lines that only one of the two has. */
function describeDifference(text: string, meant: string, name: string): string {
  const [own, other] = [linesOf(text), linesOf(meant)];
  const parts = [
    ...own.filter((line) => !other.includes(line)).map((line) => `it has '${line}', which ${name} has not`),
    ...other.filter((line) => !own.includes(line)).map((line) => `it lacks '${line}'`),
  ];
  return listNames(parts);
}

/** The file was edited and not read since, or it cannot be read any more. */
function findStaleServers(picture: Picture): readonly Finding[] {
  const peers = examinedPeers(picture);
  const edited = groupBy(peers, ({ answer }) => {
    const { serversText, serversFileText } = answer.examination;
    if (serversText === undefined || serversFileText === undefined || serversText === serversFileText)
      return undefined;
    return describeDifference(serversFileText, serversText, 'what it goes by');
  });
  const unreadable = groupBy(peers, ({ answer }) => answer.examination.serversFault);
  return [
    ...Array.from(edited, ([difference, group]): Finding => {
      const names = group.map(({ name }) => name);
      return {
        severity: 'risk',
        code: 'serversEdited',
        peers: names,
        seen: `${listNames(group.map(pathOf))} on ${listNames(names)} was edited since it was read: ${difference}`,
        fix: `${reloads(names)} (or start a peer again, if its own line changed)`,
      };
    }),
    ...Array.from(unreadable, ([fault, group]): Finding => {
      const names = group.map(({ name }) => name);
      return {
        severity: 'risk',
        code: 'serversUnreadable',
        peers: names,
        seen: `${listNames(names)} could not read servers.txt again, and would not start: ${fault.split('\n')[0] ?? ''}`,
        fix: `put a right ${listNames(group.map(pathOf))} back there`,
      };
    }),
  ];
}

function reloads(names: readonly string[]): string {
  return names.map((name) => `toposphere reload --id ${name}`).join(', ');
}

/** Peers that do not tell their text tell by its hash who differs. */
function findUnsaidServers(picture: Picture): readonly Finding[] {
  const mute = answeredPeers(picture).filter(({ answer }) => answer.examination === undefined);
  return mute.flatMap(({ name, answer }): readonly Finding[] => {
    const differing = answer.status.members.filter(({ alive, sameServers }) => alive && !sameServers);
    if (differing.length === 0) return [];
    const ids = listNames(differing.map(({ id }) => id));
    return [
      {
        severity: 'fault',
        code: 'serversDiffer',
        peers: [name],
        seen: `the servers.txt of ${name} and of ${ids} differ, by their hashes`,
        fix: `make them the same, then: toposphere reload`,
      },
    ];
  });
}

/** The option of each shared setting. */
const OPTIONS: Readonly<Record<string, string>> = {
  clusterId: '--cluster-id',
  multicastGroup: '--multicast-group',
  multicastPort: '--multicast-port',
  maxDriftMs: '--max-drift-ms',
  maxValueBytes: '--max-value-bytes',
};

function findShared(picture: Picture): readonly Finding[] {
  const peers = examinedPeers(picture);
  const names = [...new Set(peers.flatMap(({ answer }) => [...answer.examination.shared.keys()]))];
  return names.flatMap((setting): readonly Finding[] => {
    const groups = groupBy(peers, ({ answer }) => answer.examination.shared.get(setting));
    if (groups.size < 2) return [];
    const [usual, ...others] = [...groups].sort(([, a], [, b]) => b.length - a.length);
    const odd = others.flatMap(([, group]) => group.map(({ name }) => name));
    const option = OPTIONS[setting] ?? setting;
    const isMulticast = setting.startsWith('multicast');
    const effect = isMulticast
      ? `: multicast is not delivered between them, and they go on by unicast`
      : setting === 'clusterId'
        ? ': nothing passes between different clusters'
        : '';
    return [
      {
        severity: isMulticast ? 'risk' : 'fault',
        code: 'settingsDiffer',
        peers: odd,
        seen: `${option} is not the same everywhere: ${describeGroups(groups)}${effect}`,
        fix: `start ${listNames(odd)} again with ${option} ${usual?.[0] ?? ''}, or all peers with one other value`,
      },
    ];
  });
}

function findVersions(picture: Picture): readonly Finding[] {
  const peers = examinedPeers(picture);
  const packages = groupBy(peers, ({ answer }) => answer.examination.version);
  const nodes = groupBy(peers, ({ answer }) => answer.examination.node);
  const findings: Finding[] = [];
  if (packages.size > 1) {
    findings.push({
      severity: 'risk',
      code: 'versionsDiffer',
      peers: peers.map(({ name }) => name),
      seen: `toposphere is not of one version: ${describeGroups(packages)}`,
      fix: 'bring all peers to the newest of these, one after the other',
    });
  }
  if (nodes.size > 1) {
    findings.push({
      severity: 'note',
      code: 'nodeVersionsDiffer',
      peers: peers.map(({ name }) => name),
      seen: `Node.js is not of one version: ${describeGroups(nodes)}`,
      fix: 'it works as long as each is 20.19 or newer; bring them together when convenient',
    });
  }
  return findings;
}

function describeGroups(groups: ReadonlyMap<string, readonly ExaminedPeer[]>): string {
  return Array.from(
    groups,
    ([value, peers]) => `${value} on ${listNames(peers.map(({ name }) => name))}`,
  ).join('; ');
}
