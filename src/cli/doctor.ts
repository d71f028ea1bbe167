/**
 * `toposphere doctor`: examines every peer of servers.txt (or one) and says what is wrong, with the fix for each finding.
 *
 * Owns the order of the examination and how findings are shown. What is asked is doctor/askPicture.ts's, what it means doctor/findings.ts's.
 * Ends with 1 when anything was found that matters, so that a script can go by it. It only reads.
 */
import type { Argv } from 'yargs';
import { canonicalServersText } from '../peer/serversFile.ts';
import { askPeer } from './doctor/askPicture.ts';
import { compareKeys } from './doctor/compareKeys.ts';
import type { Finding, Severity } from './doctor/finding.ts';
import { listFindings, matters, SEVERITIES } from './doctor/findings.ts';
import { examinedPeers } from './doctor/picture.ts';
import type { Comparison, PeerPicture, Picture } from './doctor/picture.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findListed, withTarget } from './target.ts';
import type { TargetArguments } from './target.ts';

/** Differing keys that are named unless --keys says otherwise. */
const DEFAULT_KEYS = 20;
const MAX_KEYS = 1000;
/** How long updates under way are given to arrive, milliseconds. */
const SETTLE_MS = 5000;

const TITLES: Readonly<Record<Severity, string>> = {
  fault: 'does not work, or data is in danger',
  risk: 'works, but not well or not for long',
  note: 'good to know',
};

async function takePicture(argv: TargetArguments, maxKeys: number): Promise<Picture> {
  const { targets, file } = await findListed(argv);
  const peers = await Promise.all(
    targets.map((target) => askPeer({ target, peers: file?.servers.find(({ id }) => id === target.id) })),
  );
  const local = file === undefined ? undefined : { name: file.name, text: canonicalServersText(file) };
  const picture: Picture = { local, nowMs: Date.now(), peers, comparison: undefined };
  return { ...picture, comparison: await compare(picture, maxKeys) };
}

/** Of peers that take part: the others have not all that there is. */
async function compare(picture: Picture, maxKeys: number): Promise<Comparison> {
  const members = examinedPeers(picture).filter(({ answer }) => answer.status.phase === 'member');
  const above = Math.max(0, ...members.map(({ answer }) => answer.examination.horizon));
  return compareKeys(
    members.map(({ name, clients }) => ({ name, address: clients })),
    { above, maxKeys, settleMs: SETTLE_MS },
  );
}

function printFindings(findings: readonly Finding[]): void {
  for (const severity of SEVERITIES) {
    const group = findings.filter((finding) => finding.severity === severity);
    if (group.length === 0) continue;
    printLine(`${severity} (${TITLES[severity]}):`);
    for (const { seen, fix } of group) printLine(`  ${seen}; fix: ${fix}`);
  }
}

function printJson(picture: Picture, findings: readonly Finding[]): void {
  const { comparison } = picture;
  const peers = picture.peers.map(describePeer);
  const keys =
    comparison === undefined
      ? null
      : {
          compared: comparison.compared,
          differing: comparison.differing.length,
          onTheWay: comparison.unsettled.length,
          unseenKeys: comparison.unseenKeys,
        };
  printLine(JSON.stringify({ findings, peers, keys }, undefined, 2));
}

function describePeer({ name, answer, silence, clientReach, streamReach }: PeerPicture): object {
  const examination = answer?.examination;
  const keys = answer?.status.clusterKeys;
  return {
    peer: name,
    ...(silence === undefined ? {} : { unreachable: silence }),
    clientPort: clientReach,
    peerPort: streamReach,
    clockOffsetMs: answer?.wallOffsetMs,
    phase: answer?.status.phase,
    ...(keys === undefined ? {} : { clusterKeys: { ...keys, heard: Object.fromEntries(keys.heard) } }),
    ...(examination === undefined ? {} : { ...examination, shared: Object.fromEntries(examination.shared) }),
  };
}

export function addDoctor(yargs: Argv): Argv {
  return yargs.command(
    'doctor',
    'examine the peers of servers.txt (or one of them), and say what is wrong and how to mend it',
    (options) =>
      withTarget(options)
        .option('json', {
          type: 'boolean',
          default: false,
          describe: 'findings, and what was measured, as JSON',
        })
        .option('keys', {
          type: 'number',
          requiresArg: true,
          default: DEFAULT_KEYS,
          describe: `name at most so many keys that differ (1 to ${MAX_KEYS})`,
        }),
    async (argv) => {
      if (!Number.isSafeInteger(argv.keys) || argv.keys < 1 || argv.keys > MAX_KEYS)
        throw new CommandFailure(`--keys must be a whole number from 1 to ${MAX_KEYS}`);
      const picture = await takePicture(argv, argv.keys);
      const findings = listFindings(picture);
      if (argv.json) printJson(picture, findings);
      else printFindings(findings);
      const count = findings.filter(matters).length;
      if (count > 0) throw new CommandFailure(`${count} finding${count === 1 ? '' : 's'} to mend`);
      if (!argv.json) printLine(`nothing to mend: ${picture.peers.map(({ name }) => name).join(', ')}`);
    },
  );
}
