/** Who is told of a message: by channel and by pattern, once for each, whatever another one does with it. */
import assert from 'node:assert/strict';
import { Subscriptions, type Subscriber } from '../../src/peer/subscriptions.ts';

function listener(): Subscriber & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    onMessage: (channel, message, pattern) => {
      heard.push(`${pattern ?? ''}|${channel}|${Buffer.from(message).toString()}`);
    },
  };
}

describe('subscriptions', () => {
  it('tell channels first, then patterns, and count each', () => {
    const subscriptions = new Subscriptions();
    const [one, other] = [listener(), listener()];
    subscriptions.add('a', one);
    subscriptions.add('a', one);
    subscriptions.add('a', other);
    subscriptions.addPattern('a*', (channel) => channel.startsWith('a'), one);
    assert.equal(subscriptions.deliver('a', Buffer.from('x')), 3);
    assert.equal(subscriptions.deliver('ab', Buffer.from('y')), 1);
    assert.deepEqual(one.heard, ['|a|x', 'a*|a|x', 'a*|ab|y']);
    assert.deepEqual(other.heard, ['|a|x']);
    assert.deepEqual([subscriptions.countOf('a'), subscriptions.patternCount()], [2, 1]);
  });

  it('keep nothing of who has left', () => {
    const subscriptions = new Subscriptions();
    const one = listener();
    subscriptions.add('a', one);
    assert.equal(subscriptions.isEmpty, false);
    subscriptions.addPattern('*', () => true, one);
    subscriptions.remove('a', one);
    assert.equal(subscriptions.isEmpty, false);
    subscriptions.removePattern('*', one);
    assert.equal(subscriptions.isEmpty, true);
    subscriptions.remove('never', one);
    subscriptions.removePattern('never', one);
    assert.deepEqual([[...subscriptions.channels()], subscriptions.patternCount()], [[], 0]);
    assert.equal(subscriptions.deliver('a', Buffer.from('x')), 0);
  });

  it('tell the others when one throws, and let that be heard of', async () => {
    const subscriptions = new Subscriptions();
    const one = listener();
    subscriptions.add('a', {
      onMessage: () => {
        throw new Error('its own fault');
      },
    });
    subscriptions.add('a', one);
    const uncaught = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
    assert.equal(subscriptions.deliver('a', Buffer.from('x')), 2);
    assert.match((await thrown).message, /its own fault/);
    for (const one of uncaught) process.on('uncaughtException', one);
    assert.deepEqual(one.heard, ['|a|x']);
  });
});
