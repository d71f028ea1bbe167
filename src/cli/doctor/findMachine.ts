/**
 * What is wrong with single machines: clock, receive buffer, interface, disk.
 *
 * Owns the limits from which a figure is a finding. Invariant: a clock is blamed only as far as the round trip to it leaves no doubt.
 */
import { formatMebibytes, formatMs, listNames } from './finding.ts';
import type { Finding } from './finding.ts';
import { answeredPeers, examinedPeers } from './picture.ts';
import type { AnsweredPeer, ExaminedPeer, Picture } from './picture.ts';

/** A flush that takes longer holds up every durable write and every round, milliseconds. */
const SLOW_FLUSH_MS = 50;
/** Free space below so many times the watermark is soon gone; so is a disk that lasts less than a day. */
const LITTLE_ROOM = 2;
const SOON_FULL_MS = 24 * 3_600_000;
/** Of a peer that does not say its maxDriftMs. */
const USUAL_DRIFT_MS = 500;
/** A clock off by this part of maxDriftMs is on its way to be refused. */
const NOTED_DRIFT = 0.5;

export function findMachine(picture: Picture): readonly Finding[] {
  return [
    ...findClocks(answeredPeers(picture)),
    ...examinedPeers(picture).flatMap((peer) => [
      ...findBuffer(peer),
      ...findLink(peer),
      ...findDisk(peer),
      ...findFlush(peer),
    ]),
  ];
}

function findClocks(peers: readonly AnsweredPeer[]): readonly Finding[] {
  const timed = peers.flatMap(({ name, answer }) =>
    answer.wallOffsetMs === undefined ? [] : [{ name, answer, offsetMs: answer.wallOffsetMs }],
  );
  if (timed.length < 2) return [];
  // The lower one of an even number, as peers themselves judge (section 8): of two that disagree the one ahead gives way.
  const sorted = timed.slice().sort((a, b) => a.offsetMs - b.offsetMs);
  const median = sorted[(sorted.length - 1) >> 1];
  if (median === undefined) return [];
  return timed.flatMap(({ name, answer, offsetMs }): readonly Finding[] => {
    const aheadMs = offsetMs - median.offsetMs;
    const certainMs = Math.abs(aheadMs) - answer.wallUncertainMs - median.answer.wallUncertainMs;
    const limitMs = Number(answer.examination?.shared.get('maxDriftMs') ?? USUAL_DRIFT_MS);
    if (certainMs < NOTED_DRIFT * limitMs) return [];
    const isBeyond = certainMs >= limitMs;
    const others = timed.length === 2 ? `that of ${median.name}` : 'the others';
    const refuses = answer.status.clockRefusal === undefined ? '' : ', and it refuses writes';
    return [
      {
        severity: isBeyond ? 'fault' : 'risk',
        code: 'clock',
        peers: [name],
        seen: `the clock of ${name} is ${formatMs(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} ${others} (limit ${formatMs(limitMs)})${refuses}`,
        fix: `set the clock of its machine and keep it right: install chrony (or another NTP service) there, and look at it with: chronyc tracking`,
      },
    ];
  });
}

function findBuffer({ name, answer: { examination } }: ExaminedPeer): readonly Finding[] {
  const { askedBytes, grantedBytes, systemLimitBytes } = examination.buffer;
  if (askedBytes === undefined || grantedBytes === undefined || grantedBytes >= askedBytes) return [];
  const limit = systemLimitBytes === undefined ? '' : `; net.core.rmem_max is ${systemLimitBytes}`;
  return [
    {
      severity: 'risk',
      code: 'receiveBuffer',
      peers: [name],
      seen: `${name} asked for a receive buffer of ${formatMebibytes(askedBytes)} and was granted ${formatMebibytes(grantedBytes)}${limit}: bursts of datagrams are lost and have to be sent again`,
      fix: `on its machine, as root: sysctl -w net.core.rmem_max=${askedBytes} (to keep it, write net.core.rmem_max=${askedBytes} into /etc/sysctl.d/toposphere.conf), then start ${name} again`,
    },
  ];
}

function findLink({ name, answer: { examination } }: ExaminedPeer): readonly Finding[] {
  const { mtuBytes, packetBytes, address, name: link } = examination.link;
  if (mtuBytes === undefined || packetBytes === undefined || mtuBytes >= packetBytes) return [];
  return [
    {
      severity: 'risk',
      code: 'mtu',
      peers: [name],
      seen: `the interface ${link ?? ''} (${address ?? ''}) of ${name} takes packets of ${mtuBytes} bytes, and datagrams have up to ${packetBytes} with their headers: they travel in fragments, and one lost fragment loses all`,
      fix: `raise it on all machines and the switch between them, for instance: ip link set dev ${link ?? 'INTERFACE'} mtu 1500`,
    },
  ];
}

function findDisk({ name, answer: { examination } }: ExaminedPeer): readonly Finding[] {
  const { freeBytes, minFreeBytes, lastsMs, directory } = examination.disk;
  if (freeBytes === undefined || minFreeBytes === undefined || minFreeBytes === 0) return [];
  const isLow = freeBytes < minFreeBytes;
  const isSoonFull = lastsMs !== undefined && lastsMs < SOON_FULL_MS;
  if (!isLow && freeBytes >= LITTLE_ROOM * minFreeBytes && !isSoonFull) return [];
  const lasts = lastsMs === undefined ? '' : `; as it fills now, it lasts ${formatMs(lastsMs)}`;
  const then = isLow ? ': it refuses writes and takes no updates' : lasts;
  return [
    {
      severity: isLow ? 'fault' : 'risk',
      code: 'disk',
      peers: [name],
      seen: `the disk of ${name} (${directory ?? ''}) has ${formatMebibytes(freeBytes)} free, and ${formatMebibytes(minFreeBytes)} are to stay free (--min-free-bytes)${then}`,
      fix: isLow
        ? `free some space there, and ${name} goes on by itself; or give it a larger disk, or start it with a smaller --min-free-bytes`
        : 'free some space there, or give it a larger disk, before it refuses writes',
    },
  ];
}

function findFlush({ name, answer: { examination } }: ExaminedPeer): readonly Finding[] {
  const { flushMedianMs, flushWorstMs, flushFault, directory } = examination.disk;
  if (flushFault !== undefined) {
    return [
      {
        severity: 'fault',
        code: 'flush',
        peers: [name],
        seen: `a file of a few kilobytes could not be written to ${directory ?? 'the data directory'} of ${name}: ${flushFault}`,
        fix: `see that the disk is mounted, writable for the user that runs ${name}, and healthy (dmesg, smartctl -a)`,
      },
    ];
  }
  if (flushMedianMs === undefined || flushMedianMs <= SLOW_FLUSH_MS) return [];
  return [
    {
      severity: 'risk',
      code: 'flush',
      peers: [name],
      seen: `the disk of ${name} takes ${formatMs(flushMedianMs)} to make a small write safe (at worst ${formatMs(flushWorstMs ?? flushMedianMs)}): durable writes and rounds wait for that`,
      fix: `see what else writes to that disk (iostat -x 1), or move ${listNames([directory ?? 'the data directory'])} to a faster one`,
    },
  ];
}
