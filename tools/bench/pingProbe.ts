/**
 * Child process: the bare one-way multicast ping, the floor that visibility is measured against.
 *
 * Owns one socket in the run's ping group. Every process is bound to the group, as every peer is; the writer hears itself
 * too, as a peer does. Invariant: nothing but node:dgram between the two clock readings.
 */
import { createSocket } from 'node:dgram';
import type { ProbeTask } from './visibilityMessages.ts';
import { startProbe } from './visibilityProbe.ts';
import { HOST } from './workspace.ts';

interface PingTask extends ProbeTask {
  readonly group: string;
  readonly port: number;
}

const task = JSON.parse(process.argv[2] ?? '{}') as PingTask;
const payload = Buffer.alloc(task.valueBytes);
const socket = createSocket({ type: 'udp4', reuseAddr: true });

const probe = startProbe({
  receivers: 1,
  write(sequence) {
    payload.writeUInt32BE(sequence, 0);
    socket.send(payload, task.port, task.group);
    return undefined;
  },
});

socket.on('message', (bytes) => {
  probe.note(bytes.readUInt32BE(0), 0);
});
socket.bind({ address: task.group, port: task.port }, () => {
  socket.addMembership(task.group, HOST);
  socket.setMulticastInterface(HOST);
  socket.setMulticastLoopback(true);
  probe.announce();
});
