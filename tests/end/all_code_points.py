#!/usr/bin/env python3
"""Every code point, cut at random, comes back as Python's str.upper(); any other bytes as they should.

usage: all_code_points.py ECHOD [--seed N] [MODE]...
"""
import argparse
import random
import sys
import threading
import unicodedata

from echod import MODES, SMALL, Echod, skip


def upper(data):
    """The oracle for any bytes at all."""
    return data.decode('utf-8', 'surrogateescape').upper().encode('utf-8', 'surrogateescape')


def loads(rng):
    """What is sent: every code point in order, shuffled, and bytes that are mostly no UTF-8."""
    points = [chr(i) for i in range(0x110000) if not 0xD800 <= i <= 0xDFFF]
    assert len(points) == 1_112_064
    if SMALL:
        points = rng.sample(points, 100_000)
    yield 'all code points', ''.join(points).encode()
    rng.shuffle(points)
    yield 'the same, shuffled', ''.join(points).encode()
    pieces = [rng.choice(points).encode() for _ in range(len(points) // 8)]
    broken = [piece[:rng.randrange(1, 5)] for piece in pieces]
    yield 'broken sequences', b''.join(broken)
    yield 'random bytes', rng.randbytes(len(points))


def send_cut(connection, data, rng):
    """Send it in pieces of random sizes, most of them tiny."""
    at = 0
    while at < len(data):
        size = rng.choice((1, 2, 3, 5, 7, rng.randrange(1, 64), rng.randrange(1, 20_000)))
        connection.sendall(data[at:at + size])
        at += size
    connection.shutdown(1)


def exchange(server, data, rng):
    """All that comes back for the data, while it is still being sent."""
    with server.connect() as connection:
        sender = threading.Thread(target=send_cut, args=(connection, data, rng), daemon=True)
        sender.start()
        received = bytearray()
        while piece := connection.recv(65536):
            received += piece
        sender.join()
    return bytes(received)


def first_difference(one, other):
    return next((i for i, (a, b) in enumerate(zip(one, other)) if a != b),
                min(len(one), len(other)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('echod')
    parser.add_argument('modes', nargs='*', default=list(MODES))
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    if unicodedata.unidata_version != '14.0.0':
        skip(f"Python's Unicode is {unicodedata.unidata_version}, not 14.0.0")
    print('seed', options.seed)
    same = True
    for mode in options.modes:
        rng = random.Random(options.seed)
        with Echod(options.echod, mode) as server:
            for name, data in loads(rng):
                expected = upper(data)
                received = exchange(server, data, rng)
                same &= received == expected
                print(f'{mode}: {name}: {len(data)} bytes:',
                      'as Python has it' if received == expected else
                      f'differs at byte {first_difference(received, expected)} of the reply')
    sys.exit(0 if same else 1)


if __name__ == '__main__':
    main()
