#!/usr/bin/env python3
"""The switch of the laboratory: frames from one card to the others, with whatever a bad network does to them.

Owns what happens between two cards, for each direction apart: cut, loss (of all, or of multicast alone), delay, jitter,
reordering, duplication; and how many bytes a second a card may send. Leaves to the laboratory when that changes: one JSON object
a line on stdin, answered by one line on stdout once it is in force. The kernel's netem is not everywhere, and its bridge cannot tell one
direction of a pair from another; so this is a program over AF_PACKET. Invariant: a frame goes out as it came in, or not at all, or
twice; its bytes are never touched. Chance comes from the seed, one stream for all links.
"""
import heapq
import json
import os
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
LONGEST_FRAME = 65536
# Frames taken from one card before the others have their turn.
BATCH = 64
BUFFER_BYTES = 4 << 20
# What waits longer than this for a card that sends too much is dropped, as by a real one, seconds.
LONGEST_QUEUE_S = 0.2
# A frame that is due so soon goes at once: the clock of the loop is no finer, seconds.
SOON_S = 0.0001


class Link:
    """One direction between two cards."""

    __slots__ = ("isCut", "loss", "multicastLoss", "duplicate", "reorder", "minDelayMs", "maxDelayMs", "is_plain")

    def __init__(self):
        self.isCut = False
        self.loss = self.multicastLoss = self.duplicate = self.reorder = 0.0
        self.minDelayMs = self.maxDelayMs = 0.0
        self.is_plain = True

    def change(self, quality):
        for name, value in quality.items():
            setattr(self, name, value)
        self.is_plain = not (
            self.isCut or self.loss or self.multicastLoss or self.duplicate or self.reorder or self.maxDelayMs
        )


class Port:
    """One card: its socket, what it may send, and what became of its frames."""

    def __init__(self, name, interface, mac):
        self.name = name
        self.mac = mac
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER_BYTES)  # SO_RCVBUFFORCE
        self.socket.setsockopt(socket.SOL_SOCKET, 32, BUFFER_BYTES)  # SO_SNDBUFFORCE
        self.socket.bind((interface, ETH_P_ALL))
        self.socket.setblocking(False)
        self.bytes_per_second = 0
        self.busy_until = 0.0
        self.counts = {"taken": 0, "sent": 0, "cut": 0, "lost": 0, "late": 0, "overrun": 0}


class Switch:
    def __init__(self, ports, seed):
        self.ports = ports
        self.random = random.Random(seed).random
        self.by_mac = {port.mac: port for port in ports}
        self.links = {(a, b): Link() for a in ports for b in ports if a is not b}
        self.waiting = []  # (due, number, port, frame)
        self.number = 0

    def take(self, source):
        """Takes what has arrived at a card; what is left is taken when the others have had their turn."""
        receive = source.socket.recv
        for _ in range(BATCH):
            try:
                frame = receive(LONGEST_FRAME)
            except OSError:
                return  # nothing more, or the card is being taken down
            source.counts["taken"] += 1
            wait = self.wait_for_rate(source, len(frame))
            if wait is None:
                source.counts["late"] += 1
            elif frame[0] & 1:
                for target in self.ports:
                    if target is not source:
                        self.pass_on(source, target, frame, wait, frame[0:3] == b"\x01\x00\x5e")
            else:
                target = self.by_mac.get(frame[0:6])
                if target is not None and target is not source:
                    self.pass_on(source, target, frame, wait, False)

    def wait_for_rate(self, source, size):
        """Seconds until the card's allowance lets the frame go; None when its queue is full."""
        if source.bytes_per_second == 0:
            return 0.0
        now = time.monotonic()
        begins = max(now, source.busy_until)
        if begins - now > LONGEST_QUEUE_S:
            return None
        source.busy_until = begins + size / source.bytes_per_second
        return source.busy_until - now

    def pass_on(self, source, target, frame, wait, is_multicast):
        link = self.links[(source, target)]
        if link.is_plain and wait == 0.0:
            self.send(target, frame)
            return
        if link.isCut:
            source.counts["cut"] += 1
            return
        draw = self.random
        if (link.loss and draw() < link.loss) or (is_multicast and link.multicastLoss and draw() < link.multicastLoss):
            source.counts["lost"] += 1
            return
        copies = 2 if link.duplicate and draw() < link.duplicate else 1
        for _ in range(copies):
            delay = link.minDelayMs + (link.maxDelayMs - link.minDelayMs) * draw()
            if link.reorder and draw() < link.reorder:
                delay = max(delay, 0.2) * (1 + 9 * draw())
            due = wait + delay / 1000
            if due < SOON_S:
                self.send(target, frame)
            else:
                self.number += 1
                heapq.heappush(self.waiting, (time.monotonic() + due, self.number, target, frame))

    def send(self, target, frame):
        try:
            target.socket.send(frame)
            target.counts["sent"] += 1
        except OSError:
            target.counts["overrun"] += 1

    def send_due(self):
        """Sends what is due; seconds until the next is, or None."""
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, _, target, frame = heapq.heappop(self.waiting)
            self.send(target, frame)
        return max(0.0, self.waiting[0][0] - now) if self.waiting else None

    def obey(self, order):
        named = {port.name: port for port in self.ports}
        if order["do"] == "link":
            for a in order["from"]:
                for b in order["to"]:
                    if a != b:
                        self.links[(named[a], named[b])].change(order["quality"])
        elif order["do"] == "rate":
            for name in order["of"]:
                named[name].bytes_per_second = order["bytesPerSecond"]
        elif order["do"] != "count":
            raise ValueError("no order: %r" % (order,))
        times = os.times()
        return {"ports": {port.name: port.counts for port in self.ports}, "cpuSeconds": times.user + times.system}


def run(switch):
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    by_file = {port.socket.fileno(): port for port in switch.ports}
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    rest = b""
    while True:
        wait = switch.send_due()
        for file, _ in poll.poll(-1 if wait is None else wait):
            if file in by_file:
                switch.take(by_file[file])
                continue
            chunk = os.read(0, 65536)
            if chunk == b"":
                return  # the laboratory is gone
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                print(json.dumps(switch.obey(json.loads(line))), flush=True)


def main():
    plan = json.loads(sys.stdin.buffer.raw.readline())
    try:
        os.nice(-10)  # it stands for hardware, which does not wait for the processor that the hosts compete for
    except OSError:
        pass
    ports = [Port(one["name"], one["interface"], bytes.fromhex(one["mac"].replace(":", ""))) for one in plan["ports"]]
    switch = Switch(ports, plan["seed"])
    print(json.dumps(switch.obey({"do": "count"})), flush=True)
    run(switch)


main()
