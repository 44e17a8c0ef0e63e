#!/usr/bin/env python3
"""The services chargen and operator, as RFC 864 and the lessons' thread server have them.

usage: services.py ECHOD
"""
import os
import pty
import signal
import subprocess
import sys

from echod import Echod

PRINTABLE = bytes(range(32, 127))


def chargen_line(number):
    start = number % len(PRINTABLE)
    return (PRINTABLE * 2)[start:start + 72] + b'\r\n'


def receive(connection, length):
    got = b''
    while len(got) < length:
        piece = connection.recv(length - len(got))
        assert piece, f'the stream ended after {got!r}'
        got += piece
    return got


def read_until(descriptor, wanted):
    got = b''
    while wanted not in got:
        piece = os.read(descriptor, 4096)
        assert piece, f'the terminal ended after {got!r}'
        got += piece
    return got


def check_chargen(echod, mode):
    expected = b''.join(chargen_line(number) for number in range(3 * 95))
    with Echod(echod, mode, '--service=chargen') as server:
        with server.connect() as connection:
            connection.sendall(b'never mind')
            assert receive(connection, len(expected)) == expected
            # A drain ends the stream in order, at whatever place.
            server.process.send_signal(signal.SIGTERM)
            rest = b''
            while piece := connection.recv(65536):
                rest += piece
            longer = b''.join(chargen_line(number) for number in range(len(rest) // 74 + 300))
            assert (expected + rest) == longer[:len(expected) + len(rest)]
        assert server.process.wait(20) == 0


def check_operator(echod, mode):
    ours, theirs = pty.openpty()
    with Echod(echod, mode, '--service=operator', stdin=theirs, stdout=theirs) as server:
        os.close(theirs)
        with server.connect() as one, server.connect() as other:
            one.sendall(b'how are you?\n')
            shown = read_until(ours, b'>>> ')
            name = '{}:{}: '.format(*one.getsockname()).encode()
            assert shown == name + b'how are you?\r\n>>> ', shown
            other.sendall(b'me too')
            os.write(ours, b'fine\n')
            assert receive(one, 4) == b'fine'
            # The next message was not shown before the first was answered.
            shown = read_until(ours, b'>>> ')
            assert shown.endswith(b'me too\r\n>>> '), shown
            os.write(ours, 'grüß dich\n'.encode())
            assert receive(other, 11) == 'grüß dich'.encode()
            # The operator goes: who waits for him is let go.
            one.sendall(b'anybody?')
            read_until(ours, b'>>> ')
            os.write(ours, b'\x04')
            assert one.recv(10) == b''
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    os.close(ours)


def check_refused(echod):
    for options in (['--mode=prefork'], ['--workers=2']):
        ended = subprocess.run([echod, *options, '--service=operator'], stderr=subprocess.PIPE,
                               text=True, timeout=20)
        assert ended.returncode == 2 and '--service operator' in ended.stderr, ended


program = sys.argv[1]
for each in ('green', 'thread', 'prefork', 'green2'):
    check_chargen(program, each)
for each in ('green', 'thread'):
    check_operator(program, each)
check_refused(program)
print('chargen and operator do as they should')
