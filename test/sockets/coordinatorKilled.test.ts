/** kill -9 of a coordinator at every durability point of a checkpoint round. */
import { describeDeathsOf } from './roundsKilled.ts';

describeDeathsOf('coordinator');
