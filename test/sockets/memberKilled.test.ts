/** kill -9 of a member at every durability point of a checkpoint round. */
import { describeDeathsOf } from './roundsKilled.ts';

describeDeathsOf('member');
