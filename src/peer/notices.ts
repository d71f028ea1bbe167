/**
 * What the core notices, in an operator's words.
 */
import type { Effect } from '../core/effects.ts';
import { assertNever } from '../core/types.ts';

type Notice = Extract<Effect, { kind: 'notice' }>;

export function describeNotice(notice: Notice, maxDriftMs: number): string {
  const { detail } = notice;
  switch (notice.name) {
    case 'peerAlive':
      return `${detail['peer']} is alive`;
    case 'peerDead':
      return `${detail['peer']} is not heard any more, or does not hear this peer`;
    case 'peerLeft':
      return `${detail['peer']} has stopped: it said so`;
    case 'clockAhead':
      return `this clock is ${detail['byMs']} ms ahead of the other peers': writes are refused until it is set right (NTP)`;
    case 'clockBehind':
      return `this clock is ${detail['byMs']} ms behind the other peers': writes are stamped by theirs; set it right (NTP)`;
    case 'clockRight':
      return 'this clock agrees with the other peers again';
    case 'recordAheadOfClock':
      return `an update of ${detail['from']} is more than ${maxDriftMs} ms ahead of the clocks here and waits: set the clock of ${detail['from']} right (NTP)`;
    case 'writeBelowHorizon':
      return `an update of ${detail['origin']} came too late to be applied (R4): dot ${detail['origin']}/${detail['incarnation']}/${detail['sequence']}`;
    case 'serversDiffer':
      return `servers.txt of ${detail['peer']} says something else than ours: compare the files`;
    case 'mustJoin':
      return `this peer takes no writes until it has joined: ${detail['why']}`;
    case 'joined':
      return `joined: ${detail['entries']} entries came with a checkpoint${describeKept(detail['kept'])}`;
    case 'joinWaits':
      return (
        `this peer joins in ${detail['waitMs']} ms, or as soon as its clock is set right (NTP): the others' checkpoint, or what it promised ` +
        'before its disk was put back, is so far ahead of the clocks here'
      );
    case 'began':
      return 'no peer has any data: this one begins';
    case 'startedApart':
      return (
        `${detail['peer']} was started apart from this peer, and both hold data: nothing passes between them. Decide whose data is to stay, ` +
        'stop the other one and start it again with an empty data directory: it joins by itself'
      );
    case 'bootstrapped':
      return 'told to take part with what this disk holds';
    case 'roundRefused':
      return `a checkpoint round was refused (${detail['reason']}) and will be tried again`;
    case 'checkpointTooLarge':
      return (
        `${detail['peer']} has more than ${detail['limitBytes']} bytes, which is what this peer keeps of a checkpoint until all of it is there: ` +
        'what it lacks cannot be taken in from there; raise maxCheckpointBytes here, if this machine has the memory'
      );
    case 'requestExecutedTwice':
      return (
        `the request '${detail['id']}' was executed twice, by ${detail['one']} and by ${detail['other']}: its client gave one id to two requests, ` +
        'or sent it anew without AGAIN; see what both did'
      );
    case 'admitted':
      return `${detail['peer']} is a member now`;
    case 'forgotten':
      return `${detail['peer']} was forgotten: it is no member any more, for good`;
    case 'selfForgotten':
      return 'the other peers have forgotten this one: it takes no writes; give it a new id and an empty data directory';
    default:
      return assertNever(notice.name);
  }
}

/** Writes that only this peer's disk had, and that it wrote again. */
function describeKept(kept: string | number | undefined): string {
  return Number(kept ?? 0) === 0 ? '' : `; ${kept} that only this disk had were written again`;
}
