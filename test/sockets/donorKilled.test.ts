/** kill -9 of the peer that gives a checkpoint, at ten points of the transfer. */
import { describeDeathsInTransfer } from './transferKilled.ts';

describeDeathsInTransfer('donor');
