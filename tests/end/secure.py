"""TLS of echod in one mode, with Python's ssl, openssl and echoc as peers.

secure.py ECHOD ECHOC TESTS/CLIENT MODE
"""
import contextlib
import errno
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import echod
from echod import talk, until

PROGRAM, ECHOC, CLIENT, MODE = sys.argv[1:5]
sys.path.insert(0, CLIENT)
from support import Tls  # noqa: E402

VERSIONS = {'TLSv1.2': ssl.TLSVersion.TLSv1_2, 'TLSv1.3': ssl.TLSVersion.TLSv1_3}


class Server(echod.Echod):
    """An echod with a certificate for localhost, and one for other.test."""

    def __init__(self, papers, *options):
        self.papers = papers
        self.access = papers.path('access')
        super().__init__(PROGRAM, MODE, '--access-log', self.access, *self.certificates(papers),
                         *options)

    @staticmethod
    def certificates(papers):
        return [f'--tls-cert={papers.path("server.pem")},{papers.path("other.pem")}',
                f'--tls-key={papers.path("server.key")},{papers.path("other.key")}']

    def lines(self):
        with open(self.access, encoding='ascii') as file:
            return file.read().splitlines()

    def await_line(self, *parts):
        """Wait for a line of the access log with these parts."""
        return until(lambda: [line for line in self.lines() if all(p in line for p in parts)],
                     f'{parts} in {self.lines()}')[0]

    def secure(self, context, name='localhost', session=None, raw=None):
        """A connection inside TLS, whose end is an error unless close_notify tells of it."""
        return context.wrap_socket(raw or self.connect(), server_hostname=name, session=session,
                                   suppress_ragged_eofs=False)

    def serial(self, context):
        """Which certificate a new connection gets."""
        with self.secure(context) as connection:
            return connection.getpeercert()['serialNumber']


class TlsCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.papers = Tls(directory.name)
        self.papers.make('other', '/CN=other.test', '-addext', 'subjectAltName=DNS:other.test')

    def context(self, version=None, client=False):
        context = ssl.create_default_context(cafile=self.papers.path('ca.pem'))
        if version:
            context.minimum_version = context.maximum_version = VERSIONS[version]
        if client:
            context.load_cert_chain(self.papers.path('client.pem'), self.papers.path('client.key'))
        return context

    def echoc(self, server, *arguments, data=b''):
        done = subprocess.run([ECHOC, '--tls-ca', self.papers.path('ca.pem'), *arguments,
                               'localhost', str(server.address[1])], input=data,
                              capture_output=True, timeout=echod.PATIENCE)
        return done.returncode, done.stdout, done.stderr.decode()


class Handshakes(TlsCase):
    def test_versions(self):
        with Server(self.papers) as server:
            for version in VERSIONS:
                with server.secure(self.context(version)) as connection:
                    self.assertEqual(connection.version(), version)
                    talk(connection)
                    connection.unwrap()
                server.await_line('end=peer', 'tls=' + version, 'name=localhost', 'received=5')
            old = subprocess.run(
                ['openssl', 's_client', '-connect', 'localhost:%d' % server.address[1], '-tls1_1',
                 '-cipher', 'ALL:@SECLEVEL=0'], stdin=subprocess.DEVNULL, capture_output=True,
                timeout=echod.PATIENCE)
            self.assertNotEqual(old.returncode, 0)
            self.assertIn(b'alert protocol version', old.stderr)
            server.await_line('127.0.0.1:', 'end=tls_version')
        with echod.Echod(PROGRAM, MODE, *Server.certificates(self.papers)) as server:
            with server.connect() as plain: # without an access log the log names the peer as well
                plain.sendall(b'no TLS, but long enough')
            until(lambda: 'refused 127.0.0.1:' in server.said(), 'a line that names the peer')

    def test_weak_ciphers_are_refused(self):
        with Server(self.papers) as server:
            for cipher in ('ECDHE-ECDSA-AES256-SHA384', 'AES256-GCM-SHA384'):
                context = self.context('TLSv1.2')
                context.set_ciphers(cipher)
                with self.assertRaises(ssl.SSLError):
                    server.secure(context)
            server.await_line('end=tls_cipher')

    def test_names(self):
        with Server(self.papers) as server:
            for name in ('localhost', 'other.test'):
                with server.secure(self.context(), name) as connection:
                    talk(connection)
            context = self.context()
            context.check_hostname = False
            with server.secure(context, 'nobody.test') as connection: # gets the first
                self.assertIn((('commonName', 'localhost'),), connection.getpeercert()['subject'])

    def test_certificates_of_clients(self):
        with Server(self.papers, '--tls-ca=' + self.papers.path('ca.pem')) as server:
            with server.secure(self.context(client=True)) as connection:
                talk(connection)
                connection.unwrap()
            server.await_line('end=peer', 'client=a?client')
            for version in VERSIONS:
                with self.assertRaises(ssl.SSLError):
                    with server.secure(self.context(version)) as connection:
                        connection.recv(1) # of TLS 1.3 the client learns it late
            until(lambda: sum('end=tls_certificate' in line for line in server.lines()) == 2, 'both')
            stranger = Tls(tempfile.mkdtemp(dir=self.papers.directory))
            context = self.context()
            context.load_cert_chain(stranger.path('client.pem'), stranger.path('client.key'))
            with self.assertRaises(ssl.SSLError):
                with server.secure(context) as connection:
                    connection.recv(1)
            until(lambda: sum('end=tls_certificate' in line for line in server.lines()) == 3, 'him')
        with Server(self.papers, '--tls-ca=' + self.papers.path('ca.pem'),
                    '--tls-verify=optional') as server:
            for client in (True, False):
                with server.secure(self.context(client=client)) as connection:
                    talk(connection)

    def test_sessions_go_on_in_whichever_worker(self):
        with Server(self.papers) as server:
            for version in VERSIONS:
                context = self.context(version)
                with server.secure(context) as first:
                    talk(first)
                    session = first.session
                with contextlib.ExitStack() as stack:
                    # All at once, so that several workers have some.
                    for _ in range(8):
                        again = stack.enter_context(server.secure(context, session=session))
                        self.assertTrue(again.session_reused, version)
                        talk(again)
                server.await_line('resumed=yes', version)
        with Server(self.papers, '--tls-ticket-rotation=20ms') as server:
            context = self.context('TLSv1.3')
            with server.secure(context) as first:
                talk(first)
                session = first.session

            def forgotten():
                with server.secure(context, session=session) as again:
                    talk(again)
                    return not again.session_reused
            until(forgotten, 'keys that are two rounds old are gone')


def kernel_has_tls():
    """Whether this kernel seals for those who ask; it says so before there is a connection."""
    with socket.socket() as unconnected:
        try:
            unconnected.setsockopt(socket.IPPROTO_TCP, 31, b'tls')
        except OSError as error:
            return error.errno == errno.ENOTCONN
    return True


class Offload(TlsCase):
    """Sealing by the kernel, or all the same without it."""

    def test_all_is_as_without(self):
        offered = kernel_has_tls()
        options = ['--tls-offload', *Server.certificates(self.papers)]
        with echod.Admin(PROGRAM, MODE, *options) as server:
            for version in VERSIONS:
                context = self.context(version)
                session = None
                for _ in range(2):
                    with context.wrap_socket(server.connect(), server_hostname='localhost',
                                             session=session,
                                             suppress_ragged_eofs=False) as connection:
                        talk(connection)
                        self.assertEqual(connection.session_reused, session is not None)
                        session = connection.session
                        connection.unwrap()
            text = b'a line of what is to be upper-cased\n' * 100000
            code, answer, said = self.echoc(server, data=text)
            self.assertEqual((code, said), (0, ''))
            self.assertTrue(answer == text.upper(), f'{len(answer)} of {len(text)} bytes')
            self.assertEqual(server.metric('echod_tls_offloaded_total'), 3 if offered else 0)
            self.assertEqual('nothing is offloaded' in server.said(), not offered)


class Trouble(TlsCase):
    def test_handshakes_that_stall(self):
        with Server(self.papers, '--header-timeout=200ms') as server:
            with server.connect() as silent, server.connect() as begun:
                begun.sendall(b'\x16\x03\x01\x02\x00\x01')
                self.assertEqual(silent.recv(1), b'')
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(begun.recv(1), b'')
                until(lambda: sum('end=tls_timeout' in line for line in server.lines()) == 2, 'both')
            with server.secure(self.context()) as connection:
                talk(connection)

    def test_what_is_no_tls(self):
        with Server(self.papers) as server:
            with server.connect() as plain:
                plain.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
                self.assertEqual(plain.recv(1), b'')
            server.await_line('end=tls_protocol')
            with server.connect() as nonsense:
                nonsense.sendall(b'\x16\x03\x01\x00\x06nonsense and so on')
                self.assertEqual(nonsense.recv(1), b'\x15') # an alert
            until(lambda: sum('end=tls_protocol' in line for line in server.lines()) == 2, 'both')
            with server.connect() as connection:
                connection.sendall(b'\x16\x03\x01')
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            server.await_line('end=tls_broken')
            with server.secure(self.context()) as connection:
                talk(connection)

    def test_a_stream_that_may_have_been_cut(self):
        with Server(self.papers) as server:
            connection = server.secure(self.context())
            talk(connection)
            connection.shutdown(socket.SHUT_WR) # of TCP alone
            connection.close()
            server.await_line('end=broken', 'received=5 sent=5')

    def test_who_is_silent_and_who_does_not_read(self):
        with Server(self.papers, '--idle-timeout=200ms', '--write-timeout=300ms') as server:
            with server.secure(self.context()) as connection:
                talk(connection)
                self.assertEqual(connection.recv(1), b'') # told by close_notify
            server.await_line('end=idle')
            with server.secure(self.context()) as connection:
                with self.assertRaises(OSError):
                    for _ in range(10000):
                        connection.sendall(b'x' * 16384)
            server.await_line('end=stuck')

    def test_renegotiation_is_refused(self):
        with Server(self.papers) as server:
            with subprocess.Popen(
                    ['openssl', 's_client', '-connect', 'localhost:%d' % server.address[1],
                     '-tls1_2'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT) as client:
                client.stdin.write(b'hello\n')
                client.stdin.flush()
                seen = b''
                while b'HELLO' not in seen:
                    seen += client.stdout.read1(65536)
                client.stdin.write(b'R\n')
                client.stdin.flush()
                while b'no renegotiation' not in seen:
                    more = client.stdout.read1(65536)
                    self.assertTrue(more, seen)
                    seen += more
                client.kill()


class Streams(TlsCase):
    def test_the_half_close(self):
        with Server(self.papers) as server:
            # The last byte is only answered once the end is there.
            self.assertEqual(self.echoc(server, data=b'abc\xc3'), (0, b'ABC\xc3', ''))

    def test_a_mebibyte(self):
        data = bytes(range(97, 123)) * 40330
        with Server(self.papers) as server:
            self.assertEqual(self.echoc(server, data=data), (0, data.upper(), ''))

    def test_under_load(self):
        with Server(self.papers) as server:
            done = subprocess.run(
                [ECHOC, 'bench', '--tls-ca', self.papers.path('ca.pem'), '-c', '4', '-n', '2000',
                 '-s', '1:20000', '--quiet', 'localhost', str(server.address[1])],
                capture_output=True, timeout=echod.PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)


class Operating(TlsCase):
    def test_certificates_are_read_again(self):
        with Server(self.papers) as server:
            context = self.context()
            old = server.serial(context)
            stop = threading.Event()
            failures = []

            def load():
                try:
                    with server.secure(context) as lasting:
                        while not stop.is_set():
                            talk(lasting)
                            with server.secure(context) as fresh:
                                talk(fresh)
                        talk(lasting)
                except (OSError, AssertionError) as error:
                    failures.append(error)

            loads = [threading.Thread(target=load) for _ in range(3)]
            for thread in loads:
                thread.start()
            try:
                self.papers.make('server', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost')
                server.process.send_signal(signal.SIGHUP)
                new = until(lambda: (s := server.serial(context)) != old and s, 'the new one')
                with open(self.papers.path('server.pem'), 'w', encoding='ascii') as file:
                    file.write('no certificate\n')
                server.process.send_signal(signal.SIGHUP)
                until(lambda: 'stays as it was' in server.said(), 'a refusal')
                self.assertRegex(server.said(), r'TLS: \S*server\.pem: there is no certificate')
                for _ in range(10):
                    self.assertEqual(server.serial(context), new)
            finally:
                stop.set()
                for thread in loads:
                    thread.join()
            self.assertEqual(failures, [])

    def test_what_is_cut_off_has_its_line(self):
        server = Server(self.papers)
        with contextlib.closing(server.secure(self.context())) as connection:
            talk(connection)
            talk(connection)
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.wait(echod.PATIENCE), 1)
        # The last reply may be with us before it is counted.
        line, = server.lines()
        self.assertRegex(line, 'received=10 sent=(5|10) .* end=cut tls=TLSv1.3 .* name=localhost')

    def test_a_drain_ends_in_order(self):
        with Server(self.papers) as server:
            context = self.context()
            with server.secure(context) as connection, server.connect() as late:
                talk(connection)
                time.sleep(0.2) # until that one, too, was most likely accepted; it is served anyway
                server.process.send_signal(signal.SIGTERM)
                with server.secure(context, raw=late) as begun:
                    talk(begun)
                    self.assertEqual(begun.recv(1), b'')
                self.assertEqual(connection.recv(1), b'')
            self.assertEqual(server.process.wait(echod.PATIENCE), 0)

    def test_an_upgrade(self):
        pidfile = self.papers.path('pid')
        with Server(self.papers, '--pidfile', pidfile) as server:
            context = self.context()
            with server.secure(context) as connection:
                talk(connection)
                server.process.send_signal(signal.SIGUSR2)
                self.assertEqual(connection.recv(1), b'')
            self.assertEqual(server.process.wait(echod.PATIENCE), 0)
            with open(pidfile, encoding='ascii') as file:
                successor = int(file.read())
            try:
                self.assertNotEqual(successor, server.process.pid)
                with server.secure(context) as connection:
                    talk(connection)
            finally:
                os.kill(successor, signal.SIGTERM)
            until(lambda: not os.path.exists(pidfile), 'the end of the new one')

    def test_what_is_wrong_is_said(self):
        wrong = (
            (['--tls-cert=/nonexistent'], 1, '--tls-cert /nonexistent: No such file'),
            (['--tls-cert=' + self.papers.path('server.pem')], 1, 'its key cannot be read'),
            ([*Server.certificates(self.papers), '--tls-key=' + self.papers.path('ca.key')], 2,
             '--tls-key: there are 3 of them for 2'),
            (['--tls-cert=' + self.papers.path('server.pem'),
              '--tls-key=' + self.papers.path('other.key')], 1, "another certificate's"),
            (['--tls-ca=' + self.papers.path('ca.pem')], 2, '--tls-cert'),
            ([*Server.certificates(self.papers), '--tls-verify=optional'], 2, '--tls-ca'),
        )
        for options, code, words in wrong:
            for check in ([], ['--check-config']):
                done = subprocess.run([PROGRAM, '--port=0', *check, *options], capture_output=True,
                                      timeout=echod.PATIENCE)
                self.assertEqual(done.returncode, code, (options, done.stderr))
                self.assertEqual(done.stderr.count(b'\n'), 1, done.stderr)
                self.assertIn(words, done.stderr.decode())
        both = self.papers.join('server.pem', 'server.key')
        done = subprocess.run([PROGRAM, '--check-config', '--tls-cert', both], capture_output=True,
                              timeout=echod.PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, b''))


if __name__ == '__main__':
    if not shutil.which('openssl'):
        echod.skip('there is no openssl')
    unittest.main(argv=sys.argv[:1], warnings='ignore')
