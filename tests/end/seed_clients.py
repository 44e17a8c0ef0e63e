#!/usr/bin/env python3
"""The lessons' own client, socat, ncat and echoc talk to each mode and get the same bytes.

usage: seed_clients.py ECHOD ECHOC [MODE]...
"""
import shutil
import socket
import subprocess
import sys

from echod import MODES, PATIENCE, Echod, skip

MESSAGES = ['hello', 'line\n', 'straße und ŉ', 'привет, мир', '中文 and ﬃ', 'smile 😀\n\n']


def seed_client(address, messages):
    """The client of the lesson on sockets: send a line, receive once, for each line."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(PATIENCE)
    s.connect(address)
    replies = []
    for msg in messages:
        s.send(msg.encode('utf-8'))
        data = s.recv(1024)
        replies.append(data.decode('utf-8'))
    s.close()
    return replies


def run(command, message):
    """What a program prints that is given the message on standard input."""
    result = subprocess.run(command, input=message.encode(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=PATIENCE)
    if result.returncode != 0:
        raise SystemExit(f'{command} ended with {result.returncode}: {result.stderr.decode()}')
    return result.stdout.decode()


def programs(echoc, host, port):
    """The clients that are programs: name, and the command for a message."""
    return {
        'socat': lambda _: ['socat', '-t', str(PATIENCE), '-', f'TCP:{host}:{port}'],
        'ncat': lambda _: ['ncat', host, str(port)],
        'echoc in a pipe': lambda _: [echoc, host, str(port)],
        'echoc -e': lambda message: [echoc, '-e', message, host, str(port)],
    }


def main():
    echod, echoc, modes = sys.argv[1], sys.argv[2], sys.argv[3:] or list(MODES)
    missing = [name for name in ('socat', 'ncat') if shutil.which(name) is None]
    expected = [message.upper() for message in MESSAGES]
    wrong = []
    for mode in modes:
        with Echod(echod, mode) as server:
            results = {'the lesson': seed_client(server.address, MESSAGES)}
            for name, command in programs(echoc, *server.address).items():
                if name not in missing:
                    results[name] = [run(command(message), message) for message in MESSAGES]
        for name, replies in results.items():
            print(f'{mode}: {name}: {"same bytes" if replies == expected else replies}')
            if replies != expected:
                wrong.append(name)
    if wrong:
        sys.exit(1)
    if missing:
        skip(f'not installed: {", ".join(missing)}')


if __name__ == '__main__':
    main()
