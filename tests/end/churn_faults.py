#!/usr/bin/env python3
"""A load of connections that talk, pause, half-close, vanish and break off, for some seconds.

Every reply is compared as far as it comes; a connection that ends in order must have got it all.
Meant for sanitizer builds, whose reports end echod with an error.

usage: churn_faults.py ECHOD MODE SECONDS [--connections N] [--seed N]
"""
import argparse
import collections
import heapq
import random
import selectors
import socket
import struct
import sys
import time

from echod import PATIENCE, SMALL, Echod, raise_descriptor_limit

LETTERS = 'abcxyz \n' * 4 + 'ßŉéﬃςᾳжя中😀𐐨'
RESET = struct.pack('ii', 1, 0)
# How connections end, and how often.
ENDINGS = ('half-close',) * 5 + ('close', 'reset', 'reset at once', 'reset at once')


class Failure(Exception):
    pass


class Talk:
    """One connection: what it will send, in which pieces, and how it ends."""

    def __init__(self, address, rng):
        text = ''.join(rng.choices(LETTERS, k=rng.choice((0, 1, 10, 100, 1000, 30_000))))
        data = text.encode()
        held = rng.choice((b'', b'', b'\xc3', b'\xe1\xbe', b'\xf0\x9f\x98'))
        self.expected = text.upper().encode() + held
        self.pieces = collections.deque()
        data += held
        while data:
            size = rng.choice((1, 3, 17, 1000, 16_384))
            self.pieces.append(data[:size])
            data = data[size:]
        self.ending = rng.choice(ENDINGS)
        if self.ending.startswith('reset'):
            self.pieces = collections.deque(list(self.pieces)[:rng.randrange(len(self.pieces) + 1)])
        self.sent = 0
        self.received = 0
        self.finished_sending = False
        self.last_progress = time.monotonic()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if rng.random() < 0.1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect_ex(address)

    def send(self):
        """Send a piece; returns whether that was the last thing to do for a writer."""
        if self.pieces:
            piece = self.pieces[0]
            try:
                sent = self.socket.send(piece)
            except BlockingIOError:
                return False
            self.sent += sent
            self.pieces[0] = piece[sent:]
            if sent == len(piece):
                self.pieces.popleft()
            self.last_progress = time.monotonic()
        if not self.pieces and not self.finished_sending:
            self.finished_sending = True
            if self.ending == 'half-close':
                self.socket.shutdown(socket.SHUT_WR)
        return self.finished_sending

    def receive(self):
        """Read what there is and compare it; returns whether the stream has ended in order."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        self.last_progress = time.monotonic()
        if data != self.expected[self.received:self.received + len(data)]:
            raise Failure(f'wrong bytes behind the first {self.received}')
        self.received += len(data)
        if not data and (self.ending != 'half-close' or self.received != len(self.expected)):
            raise Failure(f'ended after {self.received} of {len(self.expected)} bytes')
        return not data

    def end(self):
        if self.ending.startswith('reset'):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()

    def may_end(self):
        """Whether the client is the one to end it now."""
        if not self.finished_sending or self.ending == 'half-close':
            return False
        if self.ending == 'reset':
            # Up to three bytes may be held back: for those no reply can be awaited.
            return self.received > 0 or self.sent <= 3
        if self.ending == 'close':
            return self.received >= len(self.expected) - 3
        return True


class Load:
    def __init__(self, server, count, rng):
        self.server = server
        self.count = count
        self.rng = rng
        self.selector = selectors.DefaultSelector()
        self.talks = set()
        self.paused = []
        self.done = collections.Counter()

    def begin(self):
        talk = Talk(self.server.address, self.rng)
        self.talks.add(talk)
        self.selector.register(talk.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, talk)

    def end(self, talk):
        self.selector.unregister(talk.socket)
        self.talks.discard(talk)
        talk.end()
        self.done[talk.ending] += 1

    def serve(self, talk, events):
        if events & selectors.EVENT_READ and talk.receive():
            self.end(talk)
            return
        if events & selectors.EVENT_WRITE:
            wait_for = selectors.EVENT_READ
            if not talk.send():
                pause = self.rng.random() < 0.05
                wait_for |= 0 if pause else selectors.EVENT_WRITE
                if pause:
                    when = time.monotonic() + self.rng.random() * 0.05
                    heapq.heappush(self.paused, (when, id(talk), talk))
            self.selector.modify(talk.socket, wait_for, talk)
        if talk.may_end():
            self.end(talk)

    def resume(self, now):
        while self.paused and self.paused[0][0] <= now:
            talk = heapq.heappop(self.paused)[2]
            if talk in self.talks:
                self.selector.modify(talk.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, talk)

    def run(self, seconds):
        """Keep up the load for this long, then let the rest come to their ends."""
        end = time.monotonic() + seconds
        checked = time.monotonic()
        while self.talks or time.monotonic() < end:
            now = time.monotonic()
            while now < end and len(self.talks) < self.count:
                self.begin()
            for key, events in self.selector.select(0.01):
                if key.data in self.talks:
                    self.serve(key.data, events)
            self.resume(now)
            if now - checked > 1:
                checked = now
                for talk in self.talks:
                    if now - talk.last_progress > PATIENCE:
                        raise Failure(f'stuck: {talk.ending}, {len(talk.pieces)} pieces to send, '
                                      f'{talk.received} of {len(talk.expected)} bytes received')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('echod')
    parser.add_argument('mode')
    parser.add_argument('seconds', type=float)
    parser.add_argument('--connections', type=int)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    # A process each: as many as prefork has by default, so that none waits for long.
    count = options.connections or (200 if options.mode == 'prefork' else 1000)
    count = count // 10 if SMALL and not options.connections else count
    raise_descriptor_limit(count + 64)
    print('seed', options.seed)
    with Echod(options.echod, options.mode) as server:
        load = Load(server, count, random.Random(options.seed))
        try:
            load.run(options.seconds)
        except (Failure, OSError) as failure:
            print(f'{options.mode}: {failure}; echod said:\n{server.said()}')
            sys.exit(1)
        if server.process.poll() is not None:
            raise SystemExit(f'echod is gone; it said:\n{server.said()}')
        print(f'{options.mode}: {load.done.total()} connections:', dict(load.done))


if __name__ == '__main__':
    main()
