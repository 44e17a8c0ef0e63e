"""Why connections ended or were refused, as /metrics and /status count it, in one mode of echod.

reasons.py ECHOD TESTS/CLIENT MODE

Each test causes some reasons, and expects just those to be counted and nothing else.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

import echod
from echod import talk, until

PROGRAM, CLIENT, MODE = sys.argv[1:4]
# Long enough for what has to happen before; sanitizers are slow.
SOON = '5s' if echod.SMALL else '1s'
sys.path.insert(0, CLIENT)
from support import Tls, reset  # noqa: E402


class Server(echod.Admin):
    def __init__(self, *options):
        super().__init__(PROGRAM, MODE, *options)

    def reasons(self):
        """What /metrics counts of either sort, without zeros; and that it adds up."""
        text = self.ask('/metrics')[1]
        counts = {}
        for sort in ('connections_ended', 'refused'):
            found = re.findall(rf'^echod_{sort}_total{{reason="(\w+)"}} (\d+)$', text, re.M)
            counts[sort] = {reason: int(count) for reason, count in found if count != '0'}
        accepted = int(re.search(r'^echod_connections_accepted_total (\d+)$', text, re.M)[1])
        return counts['connections_ended'], counts['refused'], accepted

    def status_reasons(self):
        status = self.status()
        nonzero = [{reason: count for reason, count in status[sort].items() if count}
                   for sort in ('ended', 'refused')]
        return nonzero[0], nonzero[1], status['accepted']

    def expect(self, ended=None, refused=None, still_open=0):
        """Wait until just these are counted, by both pages."""
        ended, refused = ended or {}, refused or {}
        wanted = (ended, refused, sum(ended.values()) + sum(refused.values()) + still_open)
        until(lambda: self.reasons() == wanted, lambda: f'{wanted}, there is {self.reasons()}')
        assert self.status_reasons() == wanted, self.status_reasons()


def fill(connection):
    """Send, and do not read what comes back, until nothing more is taken."""
    connection.settimeout(0.3)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b'x' * 65536)
    connection.settimeout(echod.PATIENCE)


def ended(connection):
    """Wait for the end, in whatever way it comes."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass


def refused(server, data=b'', source='127.0.0.1', half=False):
    """Connect, send this, and see the end of it."""
    with socket.create_connection(server.address, echod.PATIENCE, (source, 0)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
            if half:
                connection.shutdown(socket.SHUT_WR)
        ended(connection)


class Ended(unittest.TestCase):
    def test_by_the_peer_and_by_time(self):
        with Server('--idle-timeout=' + SOON, '--write-timeout=500ms') as server:
            with server.connect() as connection:
                talk(connection)
                connection.shutdown(socket.SHUT_WR)
                ended(connection)
            server.expect({'peer': 1})
            with server.connect() as connection:
                talk(connection)
                reset(connection)
            server.expect({'peer': 1, 'broken': 1})
            with server.connect() as connection:
                fill(connection)
                server.expect({'peer': 1, 'broken': 1, 'stuck': 1})
            with server.connect() as connection:
                talk(connection)
                ended(connection)
            server.expect({'peer': 1, 'broken': 1, 'stuck': 1, 'idle': 1})

    def test_by_what_a_connection_may(self):
        with Server('--max-bytes=1k', '--max-lifetime=' + SOON) as server:
            with server.connect() as connection:
                connection.sendall(b'x' * 1024)
                ended(connection)
            server.expect({'max_bytes': 1})
            with server.connect() as connection:
                talk(connection)
                ended(connection)
            server.expect({'max_bytes': 1, 'max_lifetime': 1})

    def test_by_a_drain(self):
        server = Server('--drain-timeout=60s')
        with server.connect() as stuck, server.connect() as connection:
            talk(stuck)
            talk(connection)
            fill(stuck)
            server.process.terminate()
            ended(connection)
            connection.close()
            server.expect({'drained': 1}, still_open=1)
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.wait(echod.PATIENCE), 1)

    def test_by_the_death_of_a_worker(self):
        if MODE not in ('green2', 'prefork'):
            self.skipTest('there are no workers')
        with Server() as server:
            connections = [server.connect() for _ in range(4)]
            for connection in connections:
                talk(connection)
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
            for connection in connections:
                ended(connection)
                connection.close()
            server.expect({'lost': 4})

    def test_by_the_end_of_a_workers_drain(self):
        if MODE != 'green2':
            self.skipTest('no worker has connections that one can take away')
        with Server('--drain-timeout=1s') as server:
            with server.connect() as one, server.connect() as other:
                for connection in (one, other):
                    talk(connection)
                    fill(connection)
                workers = server.status()['workers']
                server.process.send_signal(signal.SIGTTOU)
                cut = workers[-1]['connections']
                until(lambda: len(server.workers()) == 1, 'its end')
                server.expect({'cut': cut} if cut else {}, still_open=2 - cut)
                for connection in (one, other):
                    reset(connection)


class Refused(unittest.TestCase):
    def test_for_a_header(self):
        with Server('--proxy-protocol', '--trusted=127.0.0.1', '--header-timeout=' + SOON) as server:
            counts = {}
            for reason, data, source, half in (
                    ('proxy_untrusted', b'PROXY UNKNOWN\r\n', '127.0.0.2', False),
                    ('proxy_malformed', b'GET / HTTP/1.0\r\n\r\n', '127.0.0.1', False),
                    ('proxy_too_long', b'PROXY UNKNOWN ' + b'x' * 200, '127.0.0.1', False),
                    ('proxy_incomplete', b'PROXY TC', '127.0.0.1', True),
                    ('proxy_timeout', b'PROXY TC', '127.0.0.1', False)):
                refused(server, data, source, half)
                counts[reason] = 1
                server.expect(refused=counts)
            refused(server, b'PROXY UNKNOWN\r\n', half=True)  # served, that is
            server.expect({'peer': 1}, counts)
            self.assertEqual(server.metric('echod_proxy_checks_total'), 1)

    def test_for_its_address(self):
        with Server('--max-per-address=2') as server:
            with server.connect() as one, server.connect() as other:
                talk(one)
                talk(other)
                refused(server)
                server.expect(refused={'address_connections': 1}, still_open=2)
        with Server('--rate-per-address=1', '--burst-per-address=1') as server:
            served = 0
            while 'address_rate' not in server.reasons()[1]:
                refused(server, half=True)
                served += 1  # that time it was served, or it was the last
            server.expect({'peer': served - 1} if served > 1 else {}, {'address_rate': 1})


@unittest.skipUnless(shutil.which('openssl'), 'there is no openssl')
class RefusedByTls(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.papers = Tls(directory.name)

    def shake(self, server, change=None, trusting=True):
        """Try a handshake that fails on either side."""
        context = ssl.create_default_context(
            cafile=self.papers.path('ca.pem') if trusting else None)
        if change:
            change(context)
        with self.assertRaises((ssl.SSLError, ConnectionError)), \
                context.wrap_socket(server.connect(), server_hostname='localhost') as connection:
            connection.recv(1)  # of TLS 1.3 a client learns it late

    def test_for_its_handshake(self):
        def old_cipher(context):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers('AES256-GCM-SHA384')

        def old_version(server):
            run = subprocess.run(
                ['openssl', 's_client', '-connect', 'localhost:%d' % server.address[1], '-tls1_1',
                 '-cipher', 'ALL:@SECLEVEL=0'], stdin=subprocess.DEVNULL, capture_output=True,
                timeout=echod.PATIENCE, check=False)
            self.assertNotEqual(run.returncode, 0)

        def broken(server):
            connection = server.connect()
            connection.sendall(b'\x16\x03\x01')
            reset(connection)
            connection.close()

        with Server('--tls-cert=' + self.papers.path('server.pem'),
                    '--tls-key=' + self.papers.path('server.key'),
                    '--tls-ca=' + self.papers.path('ca.pem'), '--header-timeout=' + SOON) as server:
            counts = {}
            for reason, cause in (
                    ('tls_protocol', lambda: refused(server, b'GET / HTTP/1.0\r\n\r\n')),
                    ('tls_version', lambda: old_version(server)),
                    ('tls_cipher', lambda: self.shake(server, old_cipher)),
                    ('tls_certificate', lambda: self.shake(server)),
                    ('tls_alert', lambda: self.shake(server, trusting=False)),
                    ('tls_broken', lambda: broken(server)),
                    ('tls_timeout', lambda: refused(server))):
                cause()
                counts[reason] = 1
                server.expect(refused=counts)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], warnings='ignore')
