/**
 * A peer for whose process multicast is not what it was: it cannot join, or the network delivers nothing to it or from it.
 *
 * Owns the change, made to node:dgram before the program begins, so that the program itself is the shipped one. What other machines see is a peer
 * behind a switch or a firewall.
 */
import { MAIN } from './command.ts';

/** notJoined: the system refuses to join a group. deaf: nothing arrives by the group's socket. mute: what is sent to the group goes nowhere. */
export type Muting = 'notJoined' | 'deaf' | 'mute';

const CHANGES: Readonly<Record<Muting, string>> = {
  notJoined: `Socket.prototype.addMembership = () => { throw Object.assign(new Error('addMembership'), { code: 'ENODEV' }); };`,
  deaf: `const { bind, emit } = Socket.prototype;
    Socket.prototype.bind = function (where, ...rest) { this.isOfGroup = isGroup(where?.address); return bind.call(this, where, ...rest); };
    Socket.prototype.emit = function (name, ...rest) { return name === 'message' && this.isOfGroup ? true : emit.call(this, name, ...rest); };`,
  mute: `const { send } = Socket.prototype;
    Socket.prototype.send = function (bytes, port, address, done) { if (isGroup(address)) { done?.(null); return; } return send.call(this, bytes, port, address, done); };`,
};

/** What node runs in place of the command line alone. */
export function withMuted(...mutings: readonly Muting[]): readonly string[] {
  const isGroup = `const isGroup = (address) => /^2(2[4-9]|3[0-9])\\./.test(address ?? '');`;
  const changes = mutings.map((muting) => `{ ${CHANGES[muting]} }`).join('\n');
  const text = `import { Socket } from 'node:dgram';\n${isGroup}\n${changes}`;
  return ['--import', `data:text/javascript,${encodeURIComponent(text)}`, MAIN];
}
