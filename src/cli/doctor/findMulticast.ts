/**
 * Between whom multicast is not delivered, and the likely reason.
 *
 * Owns the reasoning from pairs to a cause: a peer that never joined, one that neither hears nor is heard, one that is deaf or mute, a switch that
 * delivers to nobody. Peers that do not hear each other at all are findReach.ts's. Updates go on by unicast meanwhile, so this is never a fault.
 */
import { listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { examinedPeers } from './picture.ts';
import type { ExaminedPeer, Picture } from './picture.ts';

/** One direction. */
interface Way {
  readonly from: string;
  readonly to: string;
  readonly isDelivered: boolean;
}

const MEANWHILE = 'meanwhile the peers go on by unicast, each update once for each peer';

export function findMulticast(picture: Picture): readonly Finding[] {
  const peers = examinedPeers(picture);
  const absent = peers.filter(({ answer }) => answer.examination.multicastJoined === false);
  const joined = peers.filter((peer) => !absent.includes(peer));
  const ways = listWays(joined);
  const [onLoopback, elsewhere] = [
    absent.filter(isOnIpv6Loopback),
    absent.filter((peer) => !isOnIpv6Loopback(peer)),
  ];
  return [...describeLoopback(onLoopback), ...elsewhere.map(describeAbsent), ...explain(joined, ways)];
}

/** Between peers of one group that hear each other by any way. */
function listWays(peers: readonly ExaminedPeer[]): readonly Way[] {
  return peers.flatMap((receiver) =>
    receiver.answer.examination.members.flatMap((member): readonly Way[] => {
      const sender = peers.find(({ name }) => name === member.id);
      if (sender === undefined || !member.heard || groupOf(sender) !== groupOf(receiver)) return [];
      return [{ from: sender.name, to: receiver.name, isDelivered: member.multicastHeard }];
    }),
  );
}

function groupOf({ answer: { examination } }: ExaminedPeer): string {
  return `${examination.shared.get('multicastGroup') ?? '?'}:${examination.shared.get('multicastPort') ?? '?'}`;
}

function portOf({ answer: { examination } }: ExaminedPeer): string {
  return examination.shared.get('multicastPort') ?? '?';
}

/** Linux has no multicast there: nothing is wrong. */
function isOnIpv6Loopback({ answer }: ExaminedPeer): boolean {
  return answer.examination.multicastInterface === '::1';
}

function describeLoopback(peers: readonly ExaminedPeer[]): readonly Finding[] {
  if (peers.length === 0) return [];
  const names = peers.map(({ name }) => name);
  return [
    {
      severity: 'note',
      code: 'multicastNotJoined',
      peers: names,
      seen: `${listNames(names)} go by unicast, each update once for each peer: there is no multicast on ::1`,
      fix: 'none is needed; 127.0.0.1 has multicast, for peers of one machine',
    },
  ];
}

function describeAbsent(peer: ExaminedPeer): Finding {
  const { multicastInterface = '' } = peer.answer.examination;
  const family = multicastInterface.includes(':') ? 6 : 4;
  return {
    severity: 'risk',
    code: 'multicastNotJoined',
    peers: [peer.name],
    seen: `${peer.name} has not joined the group ${groupOf(peer)} on its interface ${multicastInterface}; ${MEANWHILE}`,
    fix: `see that the interface is up and does multicast (ip -${family} addr; ip link show: MULTICAST), or name another of its addresses with --multicast-interface; ${peer.name} tries again every 5 s`,
  };
}

function explain(peers: readonly ExaminedPeer[], ways: readonly Way[]): readonly Finding[] {
  const lost = ways.filter(({ isDelivered }) => !isDelivered);
  if (lost.length === 0) return [];
  if (lost.length === ways.length) return [describeNowhere(peers, lost)];
  const findings: Finding[] = [];
  const told = new Set<Way>();
  for (const peer of peers) {
    const incoming = ways.filter(({ to }) => to === peer.name);
    const outgoing = ways.filter(({ from }) => from === peer.name);
    const isDeaf = incoming.length > 0 && incoming.every(({ isDelivered }) => !isDelivered);
    const isMute = outgoing.length > 0 && outgoing.every(({ isDelivered }) => !isDelivered);
    // Where two peers are all there is, one that is deaf makes the other one mute: that is one way, said below.
    if (ways.length <= 2 || (!isDeaf && !isMute)) continue;
    for (const way of [...(isDeaf ? incoming : []), ...(isMute ? outgoing : [])]) told.add(way);
    findings.push(describePeer(peer, isDeaf, isMute));
  }
  const rest = lost.filter((way) => !told.has(way));
  return rest.length === 0 ? findings : [...findings, describeWays(peers, rest)];
}

function describeNowhere(peers: readonly ExaminedPeer[], lost: readonly Way[]): Finding {
  const names = peers
    .map(({ name }) => name)
    .filter((name) => lost.some(({ from, to }) => from === name || to === name));
  const port = peers.map(portOf)[0] ?? '?';
  return {
    severity: 'risk',
    code: 'multicastBlocked',
    peers: names,
    seen: `multicast is delivered between none of ${listNames(names)}, although each has joined the group and unicast works; ${MEANWHILE}`,
    fix: `most likely a switch does IGMP snooping and nobody asks who has joined: turn on an IGMP querier on the switch or router of this LAN, or turn snooping off there; else let UDP ${port} through the firewall of each machine (a network that has no multicast, as in a cloud, stays with unicast)`,
  };
}

function describePeer(peer: ExaminedPeer, isDeaf: boolean, isMute: boolean): Finding {
  const { name, answer } = peer;
  const { multicastInterface, link } = answer.examination;
  const isElsewhere =
    multicastInterface !== undefined && link.address !== undefined && multicastInterface !== link.address;
  const where = isElsewhere
    ? ` (it joined on ${multicastInterface}, and its own address is ${link.address})`
    : '';
  const what =
    isDeaf && isMute
      ? 'hears nobody by multicast and is heard by nobody'
      : isDeaf
        ? 'hears nobody by multicast, and is heard'
        : 'is heard by nobody by multicast, and hears the others';
  const advice = isElsewhere
    ? `start it with --multicast-interface ${link.address}`
    : isDeaf
      ? `let UDP ${portOf(peer)} in through the firewall of its machine; if it is open, its switch port does IGMP snooping: turn on an IGMP querier on that switch, or turn snooping off there; machines on another network (VLAN) never hear multicast`
      : `let UDP ${portOf(peer)} out through the firewall of its machine, and see that its switch port lets multicast in (storm control)`;
  return {
    severity: 'risk',
    code: 'multicastBlocked',
    peers: [name],
    seen: `${name} has joined the group ${groupOf(peer)}${where}, but ${what}, while unicast works; ${MEANWHILE}`,
    fix: advice,
  };
}

function describeWays(peers: readonly ExaminedPeer[], lost: readonly Way[]): Finding {
  const isLost = (from: string, to: string): boolean =>
    lost.some((way) => way.from === from && way.to === to);
  const pairs = lost.flatMap(({ from, to }) => {
    if (!isLost(to, from)) return [`${from} to ${to} (one way)`];
    return from < to ? [`${from} and ${to}`] : [];
  });
  const receivers = lost.map(({ to }) => to);
  return {
    severity: 'risk',
    code: 'multicastBlocked',
    peers: [...new Set(lost.flatMap(({ from, to }) => [from, to]))],
    seen: `multicast is not delivered between ${listNames(pairs)}, although all have joined the group and unicast works; ${MEANWHILE}`,
    fix: `let UDP ${peers.map(portOf)[0] ?? '?'} in through the firewall of ${listNames(receivers)}; if it is open, look at the switch between them: IGMP snooping without a querier`,
  };
}
