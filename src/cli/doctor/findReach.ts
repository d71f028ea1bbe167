/**
 * Who cannot be reached: peers that do not answer here, and peers that do not hear each other or cannot connect to each other.
 *
 * Owns telling a peer that does not run from a machine that is gone and a port that is closed. What keeps two peers apart for a known reason (a key,
 * another cluster, a rehearsed cut) is left to findTrust.ts, and is not reported as a lost link too.
 */
import { formatAddress } from '../../network/tcp.ts';
import { DERIVED_PORT_DISTANCE } from '../../peer/serversFile.ts';
import { groupBy, listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { answeredPeers, examinedPeers } from './picture.ts';
import type { AnsweredPeer, PeerPicture, Picture } from './picture.ts';

export function findReach(
  picture: Picture,
  isExplained: (a: string, b: string) => boolean,
): readonly Finding[] {
  return [
    ...findPasswords(picture),
    ...picture.peers.flatMap((peer) => findSilent(peer, picture)),
    ...findUnexamined(picture),
    ...findUnheard(picture, isExplained),
    ...findStreams(picture),
    ...findClosedHere(picture),
  ];
}

function hears({ answer }: AnsweredPeer, id: string): boolean {
  return answer.status.members.some((member) => member.id === id && member.heard);
}

/** One finding for all that want a password which this command does not have. */
function findPasswords(picture: Picture): readonly Finding[] {
  const refused = groupBy(picture.peers, ({ passwordRefused }) => passwordRefused);
  const others = listNames(answeredPeers(picture).map(({ name }) => name));
  return Array.from(refused, ([what, group]): Finding => {
    const peers = group.map(({ name }) => name);
    const names = listNames(peers);
    const [want, have] = peers.length === 1 ? ['wants', 'has'] : ['want', 'have'];
    const base = { code: 'clientPassword', peers } as const;
    if (what === 'missing') {
      return {
        ...base,
        severity: 'risk',
        seen: `${names} ${want} a client password, and doctor was given none: nothing there could be examined`,
        fix: 'name its file: toposphere doctor --client-password-file <file>, or TOPOSPHERE_CLIENT_PASSWORD_FILE',
      };
    }
    if (others === '') {
      return {
        ...base,
        severity: 'risk',
        seen: `${names} ${have} another client password than the one that doctor was given: nothing there could be examined`,
        fix: `name the file that ${names} ${peers.length === 1 ? 'goes' : 'go'} by (--client-password-file or TOPOSPHERE_CLIENT_PASSWORD_FILE)`,
      };
    }
    return {
      ...base,
      severity: 'fault',
      seen: `${names} ${have} another client password than ${others}: clients that move there are refused, and nothing there could be examined`,
      fix: `copy the client password file of the others to ${names} (mode 600), and start it again there`,
    };
  });
}

function findSilent(peer: PeerPicture, picture: Picture): readonly Finding[] {
  const { name, clients, peers, silence, clientReach, streamReach } = peer;
  if (silence === undefined || peer.passwordRefused !== undefined) return [];
  const hearers = answeredPeers(picture)
    .filter((other) => hears(other, name))
    .map((other) => other.name);
  const at = formatAddress(clients.host, clients.port);
  const ports = `TCP ${clients.port} (clients), TCP and UDP ${peers?.port ?? clients.port + DERIVED_PORT_DISTANCE} (peers)`;
  if (clientReach === 'open') {
    return [
      finding(
        'fault',
        name,
        `${name} accepts connections at ${at} and does not answer as a peer: ${silence}`,
        `see whether ${name} itself listens there, and its log`,
      ),
    ];
  }
  // Who stopped a moment ago is still held for alive.
  if (hearers.length > 0 && streamReach !== 'refused') {
    return [
      finding(
        'risk',
        name,
        `${name} runs, for ${listNames(hearers)} hear it, but its client port ${at} is ${say(clientReach)} from here: it could not be examined`,
        `let TCP ${clients.port} through to it, or ask from its own machine if it serves clients only there (--client-host)`,
      ),
    ];
  }
  if (clientReach === 'refused' && streamReach !== 'open') {
    return [
      finding(
        'fault',
        name,
        `${name} does not run: its machine ${clients.host} answers, and nobody listens at its ports`,
        `start it there: toposphere serve --id ${name} (its log says why it ended); if it will not return: toposphere forget ${name}`,
      ),
    ];
  }
  return [
    finding(
      'fault',
      name,
      `${name} cannot be reached: ${at} is ${say(clientReach)} from here, ${streamReach === undefined ? 'its peer port was not tried' : `its peer port ${say(streamReach)}`}, and no other peer hears it`,
      `see that its machine is switched on and its cable in, that servers.txt has its address, and that firewalls let through ${ports}`,
    ),
  ];
}

function finding(severity: Finding['severity'], name: string, seen: string, fix: string): Finding {
  return { severity, code: 'unreachable', peers: [name], seen, fix };
}

function say(reach: string | undefined): string {
  switch (reach) {
    case 'open':
      return 'open';
    case 'refused':
      return 'closed (nobody listens)';
    case 'silent':
      return 'silent (no answer at all)';
    default:
      return `out of reach (${reach ?? 'not tried'})`;
  }
}

function findUnexamined(picture: Picture): readonly Finding[] {
  return answeredPeers(picture).flatMap(({ name, answer }): readonly Finding[] =>
    answer.examinationFault === undefined
      ? []
      : [
          {
            severity: 'risk',
            code: 'unexamined',
            peers: [name],
            seen: `${name} could not be examined: ${answer.examinationFault}`,
            fix: `if it is of an older version, upgrade it; then ask again`,
          },
        ],
  );
}

/** Pairs of peers that both answered here and do not hear each other, or only one the other. */
function findUnheard(picture: Picture, isExplained: (a: string, b: string) => boolean): readonly Finding[] {
  const peers = answeredPeers(picture);
  const findings: Finding[] = [];
  for (const [at, one] of peers.entries()) {
    for (const other of peers.slice(at + 1)) {
      if (isExplained(one.name, other.name)) continue;
      const [oneHears, otherHears] = [hears(one, other.name), hears(other, one.name)];
      if (oneHears && otherHears) continue;
      const seen = oneHears
        ? `${one.name} hears ${other.name}, but ${other.name} does not hear ${one.name}`
        : otherHears
          ? `${other.name} hears ${one.name}, but ${one.name} does not hear ${other.name}`
          : `${one.name} and ${other.name} do not hear each other`;
      const deaf = [...(oneHears ? [] : [one]), ...(otherHears ? [] : [other])];
      const ports = deaf
        .map(({ name, peers: address }) => `UDP ${address?.port ?? ''} on ${name}`)
        .join(' and ');
      findings.push({
        severity: 'fault',
        code: 'unheard',
        peers: [one.name, other.name],
        seen: `${seen}: nothing passes between them directly`,
        fix: `let ${ports} through the firewall of that machine and of what lies between, and see that both have the same addresses in servers.txt`,
      });
    }
  }
  return findings;
}

/** TCP from peer to peer: what is long goes that way. */
function findStreams(picture: Picture): readonly Finding[] {
  const answered = new Set(answeredPeers(picture).map(({ name }) => name));
  return examinedPeers(picture).flatMap(({ name, answer }) =>
    answer.examination.members
      .filter(({ id, stream }) => answered.has(id) && stream !== undefined && stream !== 'open')
      .map(({ id, stream, address }): Finding => ({
        severity: 'fault',
        code: 'stream',
        peers: [name, id],
        seen: `${name} cannot connect to ${id}: TCP ${address ?? ''} is ${say(stream)} from there, so long values and checkpoints do not pass`,
        fix: `let TCP ${address?.split(':').pop() ?? ''} through to ${id}, and see that servers.txt has its address`,
      })),
  );
}

/** Only good to know: peers need not be reached from here. */
function findClosedHere(picture: Picture): readonly Finding[] {
  return answeredPeers(picture)
    .filter(({ streamReach }) => streamReach !== undefined && streamReach !== 'open')
    .map(({ name, peers, streamReach }): Finding => ({
      severity: 'note',
      code: 'closedHere',
      peers: [name],
      seen: `the peer port of ${name}, TCP ${peers === undefined ? '' : formatAddress(peers.host, peers.port)}, is ${say(streamReach)} from here`,
      fix: 'none is needed unless a peer is to run on this machine',
    }));
}
