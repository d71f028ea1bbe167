/** kill -9 of the peer that joins, at ten points of the transfer. */
import { describeDeathsInTransfer } from './transferKilled.ts';

describeDeathsInTransfer('joiner');
