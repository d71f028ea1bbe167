#!/usr/bin/env python3
"""A stranger on the LAN: everything that one card can do to peers whose key it has not.

Owns what is sent, and counts it: a capture of what the group says, sent again, cut short, damaged, padded; datagrams that the laboratory made (in clear, under
another key); rubbish, and a flood of it at a steady pace; each from its own address, as if from the one who spoke, or from an address that nobody has; connections that say
nonsense, or half of something. One JSON object a line on stdin, answered by one line on stdout when all of it has left. Invariant: nothing is sent
that has not been asked for; every datagram is counted under the address that it went to, and every byte of an answer.
"""
import json
import random
import socket
import struct
import sys
import time

CARD = "lan"
ETH_P_IP = 0x0800
HEADER_BYTES = 62  # of the envelope, at most: what follows it is sealed
NUMBER_AT = 16  # of the packet, six bytes of the envelope
LONGEST_DATAGRAM = 60000
# What is made by hand is not cut in pieces on its way.
LONGEST_BY_HAND = 1400
# The card and the address of nobody, on the same LAN.
NOBODY = (bytes.fromhex("024c414e00c8"), socket.inet_aton("10.77.0.200"), 7401)
CONNECT_TIMEOUT_S = 5
# Between two datagrams of a small attack, seconds: nothing of it may be lost on the way, for all of it must be counted.
PAUSE_S = 0.0005
TICK_S = 0.005


class Stranger:
    def __init__(self, plan):
        self.random = random.Random(plan["seed"])
        self.group_port = plan["groupPort"]
        self.captured = []  # (source MAC, source address, source port, payload)
        self.former = []  # by the capture before
        self.connections = []
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.raw.bind((CARD, ETH_P_IP))
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(plan["address"]))
        self.sent = {}

    def capture(self, seconds):
        """What anybody who plugs in hears: the group, from now on."""
        self.former = self.captured
        self.captured = []
        self.raw.setblocking(False)
        try:
            while True:
                self.raw.recv(65536)  # what has come since the last time
        except BlockingIOError:
            pass
        ends = time.monotonic() + seconds
        self.raw.settimeout(0.2)
        while time.monotonic() < ends:
            try:
                frame = self.raw.recv(65536)
            except TimeoutError:
                continue
            header = (frame[14] & 15) * 4 + 14
            if frame[23] != socket.IPPROTO_UDP or len(frame) < header + 8:
                continue
            source_port, port, size = struct.unpack("!HHH", frame[header : header + 6])
            if port == self.group_port:
                self.captured.append((frame[6:12], frame[26:30], source_port, frame[header + 8 : header + size]))
        return len(self.captured)

    def send(self, payload, target):
        self.datagrams.sendto(payload, (target["address"], target["port"]))
        self.count(target, len(payload))
        time.sleep(PAUSE_S)

    def count(self, target, size):
        name = "%s:%d" % (target["address"], target["port"])
        self.sent[name] = self.sent.get(name, 0) + 1
        self.sent_bytes += size

    def forge(self, source_mac, source, source_port, payload, target):
        """As if from another: its card, its address, its port."""
        destination = socket.inet_aton(target["address"])
        udp = struct.pack("!HHHH", source_port, target["port"], 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 1, socket.IPPROTO_UDP, 0, source, destination)
        total = sum(struct.unpack("!10H", ip))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        ip = ip[:10] + struct.pack("!H", ~total & 0xFFFF) + ip[12:]
        self.raw.send(bytes.fromhex(target["mac"].replace(":", "")) + source_mac + struct.pack("!H", ETH_P_IP) + ip + udp)
        self.count(target, len(payload))
        time.sleep(PAUSE_S)

    def attack(self, how, targets, payloads, times, source):
        draw = self.random
        made = [bytes.fromhex(payload) for payload in payloads]
        for target in targets:
            for at in range(times):
                heard = self.heard_by(target, self.former if how == "recorded" else self.captured)
                speaker, payload = heard[at % len(heard)][:3], heard[at % len(heard)][3]
                if how == "made":
                    payload = made[at % len(made)]
                elif how == "truncated":
                    payload = payload[: draw.randrange(len(payload))]
                elif how == "damaged":
                    spoilt = bytearray(payload)
                    spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
                    payload = bytes(spoilt)
                elif how == "oversized":
                    payload += draw.randbytes(LONGEST_DATAGRAM - len(payload))
                elif how == "rubbish":
                    payload = draw.randbytes(draw.randrange(LONGEST_BY_HAND))
                elif how not in ("replayed", "recorded"):
                    raise ValueError("no attack: " + how)
                if source == "itself":
                    self.send(payload, target)
                else:
                    self.forge(*(speaker if source == "member" else NOBODY), payload, target)

    def heard_by(self, target, captured):
        """No system takes a datagram that comes from its own address: of those that it sent itself none is forged to it."""
        return [one for one in captured if one[1] != socket.inet_aton(target["address"])]

    def connect(self, how, target, payload, times):
        """Connections that are held open until they are let go, so far as the other side holds them."""
        draw = self.random
        for at in range(times):
            connection = socket.create_connection((target["address"], target["port"]), CONNECT_TIMEOUT_S)
            connection.setblocking(False)
            said = bytes.fromhex(payload)
            if how == "rubbish":
                said = draw.randbytes(64 + draw.randrange(LONGEST_BY_HAND)) + said
            elif how == "replayed":
                heard = self.heard_by(target, self.captured)
                packet = heard[at % len(heard)][3]
                said = struct.pack("!L", len(packet)) + packet
            elif how != "said":
                raise ValueError("no connection: " + how)
            try:
                connection.send(said)
            except OSError:
                pass  # closed already
            self.connections.append(connection)
            self.count(target, len(said))
            time.sleep(PAUSE_S)

    def let_go(self):
        """Closes all connections; how many the other side had closed, and how many bytes it had answered."""
        closed = answered = 0
        for connection in self.connections:
            try:
                while answer := connection.recv(65536):
                    answered += len(answer)
                closed += 1
            except BlockingIOError:
                pass
            except OSError:
                closed += 1
            connection.close()
        self.connections = []
        return {"closed": closed, "answeredBytes": answered}

    def flood(self, target, count, per_second):
        """Half of it rubbish from the first byte, half with the header of another who was heard and a number of its own: that has to be unsealed to be refused."""
        draw = self.random
        others = self.heard_by(target, self.captured)
        pool = []
        for at in range(1024):
            size = draw.randrange(40, 1400)
            heard = others[at % len(others)][3][:HEADER_BYTES]
            numbered = heard[:NUMBER_AT] + struct.pack("!Q", (1 << 40) + at)[2:] + heard[NUMBER_AT + 6 :]
            pool.append(draw.randbytes(size) if at % 2 else numbered + draw.randbytes(size))
        address = (target["address"], target["port"])
        began = time.monotonic()
        sent = 0
        while sent < count:
            due = min(count, int((time.monotonic() - began) * per_second))
            while sent < due:
                try:
                    self.datagrams.sendto(pool[sent % 1024], address)
                except OSError:
                    pass  # told that nobody listens there: that is what the other half of the comparison is
                sent += 1
            time.sleep(TICK_S)
        return time.monotonic() - began

    def obey(self, order):
        self.sent = {}
        self.sent_bytes = 0
        answer = {}
        if order["do"] == "capture":
            answer["captured"] = self.capture(order["seconds"])
            answer["first"] = self.captured[0][3].hex() if self.captured else ""
        elif order["do"] == "attack":
            self.attack(order["how"], order["targets"], order["payloads"], order["times"], order["source"])
        elif order["do"] == "connect":
            self.connect(order["how"], order["target"], order["payload"], order["times"])
        elif order["do"] == "letGo":
            answer = self.let_go()
        elif order["do"] == "flood":
            answer["tookSeconds"] = self.flood(order["target"], order["count"], order["perSecond"])
        else:
            raise ValueError("no order: %r" % (order,))
        return {**answer, "sent": self.sent, "sentBytes": self.sent_bytes}


def main():
    stranger = Stranger(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(stranger.obey(json.loads(line))), flush=True)


main()
