"""echoc over TLS, against servers that are not ours: Python's, and openssl s_server."""
import contextlib
import ssl
import subprocess

from cases_bench import BenchCase
from cases_prompt import PROMPT, Terminal
from support import Server, Tls, upper


def within(context, end=True):
    """Serve upper inside TLS; without `end` the stream ends without close_notify."""
    def serve(connection):
        with contextlib.suppress(ssl.SSLError):
            with context.wrap_socket(connection, server_side=True) as wrapped:
                upper(wrapped)
                if end:
                    wrapped.unwrap().close()
    return serve


class TlsCase(BenchCase):
    def setUp(self):
        super().setUp()
        self.papers = Tls(self.directory.name)

    def server_of(self, version=None, verify=False, end=True):
        """A server with a certificate for localhost and 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.papers.path("server.pem"), self.papers.path("server.key"))
        if version:
            context.minimum_version = context.maximum_version = version
        if verify:
            context.load_verify_locations(self.papers.path("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        server = Server(within(context, end))
        self.addCleanup(server.close)
        return server

    @property
    def trust(self):
        return ["--tls-ca", self.papers.path("ca.pem")]


class TlsTalk(TlsCase):
    def test_both_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            server = self.server_of(version)
            code, out, err = self.echoc(*self.trust, "-e", "hello", "localhost", server.port)
            self.assertEqual((code, out, err), (0, b"HELLO", ""), version)

    def test_a_mebibyte_both_ways_at_once(self):
        data = bytes(range(97, 123)) * 40330
        code, out, err = self.echoc(*self.trust, "127.0.0.1", self.server_of().port, data=data)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, data.upper())

    def test_prompt(self):
        terminal = Terminal(self.directory.name,
                            [*self.trust, "localhost", self.server_of().port])
        self.addCleanup(terminal.close)
        terminal.expect(PROMPT)
        for word in (b"one", b"two"):
            terminal.type(word + b"\n")
            terminal.expect(word.upper())
        terminal.type(b"\x04")
        self.assertEqual(terminal.wait(), (0, ""))

    def test_whom_to_trust(self):
        port = self.server_of().port
        talk = ["-e", "hello", "127.0.0.1", port]
        self.assertEqual(self.echoc("--tls", "--insecure", *talk)[:2], (0, b"HELLO"))
        code, out, err = self.echoc("--tls", *talk)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "TLS with 127.0.0.1 failed", "certificate")
        code, out, err = self.echoc(*self.trust, "--tls-name", "elsewhere.test", *talk)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "failed", "name")
        self.assertEqual(self.echoc(*self.trust, "--tls-name", "localhost", *talk)[0], 0)

    def test_a_certificate_of_ours(self):
        port = self.server_of(ssl.TLSVersion.TLSv1_2, verify=True).port
        talk = ["-e", "hello", "localhost", port]
        code, out, err = self.echoc(*self.trust, *talk)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "TLS with localhost failed")
        mine = ["--tls-cert", self.papers.path("client.pem")]
        key = ["--tls-key", self.papers.path("client.key")]
        self.assertEqual(self.echoc(*self.trust, *mine, *key, *talk), (0, b"HELLO", ""))
        both = self.papers.join("client.pem", "client.key")
        self.assertEqual(self.echoc(*self.trust, "--tls-cert", both, *talk), (0, b"HELLO", ""))

    def test_an_end_that_may_have_been_cut(self):
        port = self.server_of(end=False).port
        code, out, err = self.echoc(*self.trust, "-e", "hello", "localhost", port)
        self.assertEqual((code, out), (1, b"HELLO"))
        self.assert_line(err, "without the end of the TLS stream", "5 bytes sent")

    def test_a_server_that_speaks_no_tls(self):
        server = Server(upper)
        self.addCleanup(server.close)
        code, out, err = self.echoc("--tls", "-e", "hello", "localhost", server.port)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "TLS with localhost failed")

    def test_s_server(self):
        for version in ("-tls1_2", "-tls1_3"):
            with subprocess.Popen(
                    ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", version,
                     "-cert", self.papers.path("server.pem"), "-key",
                     self.papers.path("server.key")],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as server:
                line = next(line for line in server.stdout if line.startswith(b"ACCEPT"))
                port = line.decode().strip().rpartition(":")[2]
                # It ends when we do, by the end of TCP alone.
                code, out, err = self.echoc(*self.trust, "localhost", port, data=b"hello\n")
                server.kill()
            self.assertEqual(out, b"olleh\n", err)
            self.assertIn(code, (0, 1))

    def test_usage(self):
        for arguments, part in ((["--insecure"], "--tls"),
                                (["--tls-key", "x"], "--tls-cert"),
                                (["--insecure", *self.trust], "--tls-ca"),
                                (["--tls-ca", ""], "--tls-ca")):
            for command in ([], ["bench"]):
                code, _, err = self.echoc(*command, *arguments)
                self.assertEqual(code, 2, err)
                self.assert_line(err, part)
        for option in ("--tls-ca", "--tls-cert"):
            code, _, err = self.echoc(option, "/nonexistent/file", "-e", "x")
            self.assertEqual(code, 1)
            self.assert_line(err, option, "/nonexistent/file", "No such file")
        code, _, err = self.echoc("--tls-ca", self.papers.path("server.key"), "-e", "x")
        self.assertEqual(code, 1)
        self.assert_line(err, "TLS: the authorities", "no certificate")


class TlsBench(TlsCase):
    def test_every_byte_is_right(self):
        port = self.server_of().port
        for options in ([], ["-s", "16:3000", "--pipeline", "4"], ["-s", "40k", "-p", "4"],
                        ["-s", "20:90", "--cut"], ["--churn=10"], ["--rate", "2000"]):
            result, _ = self.bench("-c", "3", "-n", "100", *options, *self.trust, "localhost",
                                   port)
            self.assertEqual(result["totals"]["answered"], 100, options)
            self.assertEqual(result["errors"], {}, options)
            self.assertEqual(result["options"]["tls-ca"], self.papers.path("ca.pem"))

    def test_attacks(self):
        result, _ = self.bench("-c", "2", "-n", "50", "--attack", "slow-write=1,half-close=1,churn=1",
                               *self.trust, "localhost", self.server_of().port)
        self.assertEqual(result["totals"]["answered"], 50)
        self.assertEqual(result["errors"], {})

    def test_a_server_that_is_not_trusted_is_missed_at_once(self):
        code, out, err = self.echoc("bench", "--tls", "-n", "10", "localhost",
                                    self.server_of().port)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "TLS with localhost failed", "certificate")
