"""redis-py, unchanged, in what an application does with it: run by clientsDebian.test.ts as `redisPy.py name port address...`.

Prints `ready to lose <id>` and waits for a line on stdin, before which the test kills that peer; ends with 0 when all was as it
should be. The name stands for all the addresses, as DNS or /etc/hosts would have it.
"""

import socket
import sys

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

NAME, PORT, ADDRESSES = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
real_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *rest, **named):
    if host != NAME:
        return real_getaddrinfo(host, *rest, **named)
    return [found for address in ADDRESSES for found in real_getaddrinfo(address, *rest, **named)]


socket.getaddrinfo = getaddrinfo


def refusal(call, *words):
    try:
        return call(*words)
    except redis.ResponseError as error:
        return str(error)


retry = Retry(ExponentialBackoff(cap=1, base=0.05), 5)
client = redis.Redis(
    host=NAME, port=PORT, decode_responses=True, retry=retry, retry_on_error=[redis.ConnectionError]
)
assert client.ping()
assert client.info('toposphere')['id'] == 'alpha'
assert client.client_setname('application') and client.client_list()[-1]['name'] == 'application'

# Strings and expiry
assert client.set('user:1', 'ada', nx=True) is True
assert client.set('user:1', 'bob', nx=True) is None
assert client.set('user:1', 'eve', xx=True, get=True) == 'ada'
assert client.append('user:1', '!') == 4 and client.getrange('user:1', 0, 1) == 'ev'
assert client.set('one', '1') and client.rename('one', 'another') and client.getdel('another') == '1'
assert client.mset({'user:2': 'two', 'user:3': 'three'})
assert client.mget(['user:1', 'none', 'user:2']) == ['eve!', None, 'two']
assert client.setex('brief', 100, 'x') and 90 < client.ttl('brief') <= 100
assert client.persist('brief') and client.ttl('brief') == -1
assert client.pexpire('brief', 60000) and client.delete('brief', 'none') == 1
assert (client.incr('counter'), client.incrby('counter', 41), client.decr('counter', 2)) == (1, 42, 40)
assert client.incrbyfloat('counter', 0.5) == 40.5 and client.get('counter') == '40.5'
assert refusal(client.incr, 'user:1') == 'value is not an integer or out of range'
raw = redis.Redis(host=NAME, port=PORT)
every_byte = bytes(range(256))
assert raw.set(every_byte, every_byte) and raw.get(every_byte) == every_byte

# One pipeline, a refusal in the middle of it
replies = client.pipeline(transaction=False).set('turn', '1').lpush('list', '1').get('turn').execute(raise_on_error=False)
assert replies[0] is True and replies[2] == '1', replies
assert "unknown command 'LPUSH'" in str(replies[1]).replace('lpush', 'LPUSH'), replies
assert sorted(client.scan_iter('user:*', count=2)) == ['user:1', 'user:2', 'user:3']
assert 'wrong number of arguments' in refusal(client.execute_command, 'GET')

# MULTI, and WATCH, of which another connection's write makes nothing
assert client.pipeline().set('one', '1').incr('one').execute() == [True, 2]
with client.pipeline() as pipeline:
    pipeline.watch('one')
    client.set('one', '9')
    pipeline.multi()
    try:
        pipeline.incr('one').execute()
        raise AssertionError('what was watched has changed')
    except redis.WatchError:
        assert client.get('one') == '9'

# Pub/sub
listener = client.pubsub(ignore_subscribe_messages=True)
listener.subscribe('news')
listener.psubscribe('n?ws')


def heard(wanted):
    while True:
        client.publish('news', wanted)
        try:
            message = listener.get_message(timeout=1)
            while message is not None:
                if message['data'] == wanted:
                    return message['channel']
                message = listener.get_message(timeout=1)
        except redis.ConnectionError:
            pass  # said once; asked again, it connects and subscribes anew


assert heard('first') == 'news'
print('ready to lose alpha', flush=True)
sys.stdin.readline()
assert client.get('user:1') == 'eve!'
assert client.info('toposphere')['id'] == 'beta'
assert client.set('after', '1')
assert heard('again') == 'news'
