/** kill -9 of the peer that joins, at points of the transfer. */
import { describeDeathsInTransfer } from './transferKilled.ts';

describeDeathsInTransfer('joiner');
