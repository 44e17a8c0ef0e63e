"""One shot, connecting, and the command line."""
import os
import socket
import subprocess
import time

from support import LIMIT_S, Case, Echod, Programs, reset, upper


class Message(Case):
    def test_one_shot(self):
        self.assertEqual(self.echoc("-e", "hello, world", "127.0.0.1", self.server().port),
                         (0, b"HELLO, WORLD", ""))

    def test_options_may_follow(self):
        self.assertEqual(self.echoc("127.0.0.1", self.server().port, "-e", "hello"),
                         (0, b"HELLO", ""))

    def test_empty_message(self):
        self.assertEqual(self.echoc("-e", "", "127.0.0.1", self.server().port), (0, b"", ""))

    def test_input_is_not_read(self):
        code, out, err = self.echoc("-e", "alone", "127.0.0.1", self.server().port, stdin=None,
                                    preexec_fn=lambda: os.close(0))
        self.assertEqual((code, out, err), (0, b"ALONE", ""))

    def test_longer_than_the_buffers(self):
        text = "long " * 20_000
        self.assertEqual(self.echoc("-e", text, "127.0.0.1", self.server().port),
                         (0, text.upper().encode(), ""))

    def test_reply_that_takes_its_time(self):
        def slow(connection):
            while connection.recv(100):
                pass
            for part in (b"SL", b"OW"):
                time.sleep(0.1)
                connection.sendall(part)
        self.assertEqual(self.echoc("-e", "slow", "127.0.0.1", self.server(slow).port),
                         (0, b"SLOW", ""))

    def test_server_that_closes_unread(self):
        def deaf(connection):
            reset(connection)
        code, _, err = self.echoc("-e", "anybody?", "127.0.0.1", self.server(deaf).port)
        self.assertEqual(code, 1)
        self.assert_line(err, "connect", "reset")


class Connecting(Case):
    def held_port(self):
        """A port that refuses, and nobody else's: bound, but not listened on.

        A listener that reuses addresses may have it all the same.
        """
        held = socket.socket()
        self.addCleanup(held.close)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        return str(held.getsockname()[1])

    def test_refused(self):
        port = self.held_port()
        code, out, err = self.echoc("127.0.0.1", port)
        self.assertEqual((code, out), (1, b""))
        self.assertEqual(err, f"echoc: cannot connect to 127.0.0.1:{port}: Connection refused "
                              "(is echod running? --wait 5 waits for it)\n")

    def test_name_that_does_not_resolve(self):
        code, out, err = self.echoc("name.invalid")
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "name.invalid", "a host is a name or an address")

    def test_name_that_resolves(self):
        self.assertEqual(self.echoc("-e", "name", "localhost", self.server().port),
                         (0, b"NAME", ""))

    def test_ipv6_literal_with_and_without_brackets(self):
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            self.skipTest("no IPv6 here")
        port = str(listener.getsockname()[1])
        with listener:
            for host in ("::1", "[::1]"):
                process = self.start("-e", "six", host, port, stdout=subprocess.PIPE)
                connection, _ = listener.accept()
                with connection:
                    upper(connection)
                self.assertEqual(process.communicate(timeout=LIMIT_S)[0], b"SIX")
        code, _, err = self.echoc("::1", port)
        self.assertEqual(code, 1)
        self.assert_line(err, f"[::1]:{port}")

    def test_wait_for_a_server_that_starts_later(self):
        port = self.held_port()
        process = self.start("--wait", "20", "-e", "patience", "127.0.0.1", port,
                             stdout=subprocess.PIPE)
        time.sleep(0.4)
        self.assertIsNone(process.poll())
        self.server(upper, port=int(port))
        self.assertEqual(process.communicate(timeout=LIMIT_S)[0], b"PATIENCE")
        self.assertEqual(process.returncode, 0)

    def test_wait_for_a_socket_file(self):
        path = self.path("late.sock")
        process = self.start("--wait=20", "-e", "patience", "--unix", path,
                             stdout=subprocess.PIPE)
        time.sleep(0.2)
        self.server(upper, path=path)
        self.assertEqual(process.communicate(timeout=LIMIT_S)[0], b"PATIENCE")

    def test_wait_ends(self):
        port = self.held_port()
        began = time.monotonic()
        code, _, err = self.echoc("--wait", "0.3", "127.0.0.1", port)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.assertEqual(code, 1)
        self.assert_line(err, f"127.0.0.1:{port}", "Connection refused")
        self.assertNotIn("--wait", err)

    def test_unix(self):
        path = self.path("echod.sock")
        if Programs.echod:
            server = Echod("--host", "127.0.0.1", "--unix", path)
            self.addCleanup(server.close)
        else:
            self.server(upper, path=path)
        self.assertEqual(self.echoc("--wait", "5", "-e", "file", "--unix", path),
                         (0, b"FILE", ""))
        self.assertEqual(self.echoc("--unix", path, data=b"piped"), (0, b"PIPED", ""))

    def test_unix_missing(self):
        code, _, err = self.echoc("--unix", self.path("none"))
        self.assertEqual(code, 1)
        self.assert_line(err, "--unix", self.path("none"), "No such file or directory", "--wait")


class Usage(Case):
    def check(self, arguments, *parts):
        code, out, err = self.echoc(*arguments)
        self.assertEqual((code, out), (2, b""), err)
        self.assert_line(err, "try echoc --help", *parts)

    def test_ports(self):
        for port in ("70000", "0", "-0x10", "80a", "", "99999999999999999999", " 80", "+80"):
            self.check(["--", "127.0.0.1", port],
                       f"port {port}: a port is a number from 1 to 65535")

    def test_options(self):
        self.check(["--loud"], "--loud: no such option")
        self.check(["-z"], "-z: no such option")
        self.check(["localhost", "--unix=x", "-zy"], "-z: no such option")
        self.check(["localhost", "--loud", "80"], "--loud: no such option")
        self.check(["--help=yes"], "--help=yes", "no value")
        self.check(["-e"], "-e: a value must follow")
        self.check(["--unix"], "--unix: a value must follow")
        self.check(["--unix", ""], "--unix ''")
        self.check(["--unix", "x" * 200], "--unix", "107 bytes")
        self.check(["--unix", "x", "localhost"], "localhost", "--unix x")

    def test_waits(self):
        for wait in ("soon", "", "-1", "nan", "inf", "5s", "1e300"):
            self.check(["--wait", wait], f"--wait {wait}: a wait is a number of seconds")

    def test_words(self):
        self.check(["localhost", "80", "hello"], "hello", "-e")
        self.check([""], "host ''")

    def test_report_is_one_line_whatever_was_typed(self):
        self.check(["localhost", "1\n2\x1b[31m"], "port 1?2?[31m")
        self.check(["localhost", "1" * 5000], "port 111", "...")

    def test_help_and_version(self):
        code, out, err = self.echoc("--help")
        self.assertEqual((code, err), (0, ""))
        for word in (b"Usage: echoc", b"-e MESSAGE", b"--unix PATH", b"--wait S", b"--version"):
            self.assertIn(word, out)
        self.assertLessEqual(max(len(line) for line in out.splitlines()), 79)
        code, out, err = self.echoc("--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out.decode(), r"\Aechoc \d+\.\d+\.\d+\n\Z")
