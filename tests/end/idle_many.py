#!/usr/bin/env python3
"""One echod holds very many idle connections, and each of them still answers.

usage: idle_many.py ECHOD MODE COUNT
"""
import os
import socket
import sys
import time

from echod import PATIENCE, SMALL, Echod, raise_descriptor_limit

IP_BIND_ADDRESS_NO_PORT = 24
# Ports are limited for each pair of addresses, and those of the run before rest for a minute.
SOURCES = [f'127.0.{os.getpid() % 200 + 1}.{i}' for i in range(1, 9)]


def connect(address, source):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.bind((source, 0))
    connection.connect(address)
    return connection


def resident_kib(pid):
    with open(f'/proc/{pid}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('RssAnon'))


def processor_seconds(pid):
    with open(f'/proc/{pid}/stat') as stat:
        fields = stat.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def ask_all(connections, word):
    """Send to all, then read from all: how many answered as they should."""
    for number, connection in enumerate(connections):
        connection.sendall(f'{word} {number}'.encode())
    right = 0
    for number, connection in enumerate(connections):
        expected = f'{word} {number}'.upper().encode()
        received = b''
        while len(received) < len(expected) and (piece := connection.recv(64)):
            received += piece
        right += received == expected
    return right


def main():
    program, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if SMALL:
        count //= 10
    raise_descriptor_limit(count + 64)
    with Echod(program, mode) as server:
        pid = server.process.pid
        before = resident_kib(pid)
        start = time.monotonic()
        connections = [connect(server.address, SOURCES[i % len(SOURCES)]) for i in range(count)]
        connected = time.monotonic()
        first = ask_all(connections, 'hello')
        answered = time.monotonic()
        memory = (resident_kib(pid) - before) * 1024 // count
        idle = processor_seconds(pid)
        time.sleep(2)
        idle = processor_seconds(pid) - idle
        second = ask_all(connections, 'still there')
        held = len(os.listdir(f'/proc/{pid}/fd'))
        print(f'{mode}: {count} connections in {connected - start:.1f} s, {first} answered in '
              f'{answered - connected:.1f} s, {second} did after idling at {idle:.2f} s of '
              f'processor time in 2 s; {memory} bytes of memory each, {held} descriptors')
        for connection in connections:
            connection.close()
    # An idle server sleeps; what its timers cost is far below a tenth of a processor.
    sys.exit(0 if first == second == count and held >= count and (SMALL or idle < 0.2) else 1)


if __name__ == '__main__':
    main()
