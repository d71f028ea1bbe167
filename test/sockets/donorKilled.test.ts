/** kill -9 of the peer that gives a checkpoint, at points of the transfer. */
import { describeDeathsInTransfer } from './transferKilled.ts';

describeDeathsInTransfer('donor');
