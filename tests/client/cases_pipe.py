"""Standard input through the server, and the ways in which a connection ends."""
import errno
import fcntl
import hashlib
import os
import socket
import subprocess
import threading
import time

from support import LIMIT_S, Case, Programs, echo, reset, upper

LARGE = 5_000_000 if os.environ.get("GREEN_STRESS") == "small" else 100_000_000


class Pipe(Case):
    def test_large_file_comes_back_whole(self):
        server = self.server()
        block = bytes(range(128)) * 8192
        wanted = hashlib.sha256()
        with open(self.path("in"), "wb") as file:
            left = LARGE
            while left > 0:
                part = block[:left]
                file.write(part)
                wanted.update(part.upper())
                left -= len(part)
        with open(self.path("in"), "rb") as source, open(self.path("out"), "wb") as sink:
            process = self.start("127.0.0.1", server.port, stdin=source, stdout=sink,
                                 stderr=subprocess.PIPE)
            self.assertEqual(process.wait(LIMIT_S), 0, process.stderr.read())
        self.assertEqual(os.path.getsize(self.path("out")), LARGE)
        got = hashlib.sha256()
        with open(self.path("out"), "rb") as file:
            while part := file.read(1 << 20):
                got.update(part)
        self.assertEqual(got.digest(), wanted.digest())

    def test_large_input_to_a_server_that_answers_late(self):
        """The server reads nothing before its own 2 MB are taken: nobody waits for the other."""
        def late(connection):
            connection.sendall(b"x" * 2_000_000)
            upper(connection)
        data = b"y" * 8_000_000
        code, out, err = self.echoc("127.0.0.1", self.server(late).port, data=data)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, b"x" * 2_000_000 + b"Y" * 8_000_000)

    def test_reader_that_is_slow(self):
        server = self.server()
        process = self.start("127.0.0.1", server.port, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        data = b"slow" * 500_000
        writer = threading.Thread(target=process.stdin.write, args=(data,))
        writer.start()
        time.sleep(0.3)
        got = process.stdout.read(1000)
        time.sleep(0.3)
        while len(got) < len(data) - 70_000:
            got += process.stdout.read(50_000)
        writer.join(LIMIT_S)
        process.stdin.close()
        got += process.stdout.read()
        self.assertEqual(process.wait(LIMIT_S), 0)
        self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(data.upper()).digest())

    def test_empty_input(self):
        self.assertEqual(self.echoc("127.0.0.1", self.server().port), (0, b"", ""))

    def test_dev_null(self):
        server = self.server()
        self.assertEqual(self.echoc("127.0.0.1", server.port, stdin=subprocess.DEVNULL),
                         (0, b"", ""))
        process = self.start("127.0.0.1", server.port, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL)
        process.communicate(b"unseen", LIMIT_S)
        self.assertEqual(process.returncode, 0)

    def test_no_line_end_is_added(self):
        self.assertEqual(self.echoc("127.0.0.1", self.server().port, data=b"a\n\nb"),
                         (0, b"A\n\nB", ""))

    def test_utf8(self):
        data = "grüße, žluťoučký kůň, ŉ, 日本語\n"
        server, wanted = self.server(echo), data
        if Programs.echod:
            server, wanted = self.server(), data.upper()
        code, out, err = self.echoc("127.0.0.1", server.port, data=data.encode())
        self.assertEqual((code, out.decode(), err), (0, wanted, ""))

    def test_replies_come_while_the_input_is_open(self):
        server = self.server()
        process = self.start("127.0.0.1", server.port, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, bufsize=0)
        for word in (b"one\n", b"two", b"\n"):
            process.stdin.write(word)
            self.assertEqual(process.stdout.read(len(word)), word.upper())
        process.stdin.close()
        self.assertEqual(process.stdout.read(), b"")
        self.assertEqual(process.wait(LIMIT_S), 0)

    def test_sockets_as_standard_streams(self):
        server = self.server()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = self.start("127.0.0.1", server.port, stdin=theirs, stdout=theirs)
            theirs.close()
            ours.sendall(b"through a socket")
            ours.shutdown(socket.SHUT_WR)
            got = b""
            while part := ours.recv(4096):
                got += part
            self.assertEqual(got, b"THROUGH A SOCKET")
            self.assertEqual(process.wait(LIMIT_S), 0)

    def test_blocking_mode_is_left_alone(self):
        server = self.server()
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        process = self.start("127.0.0.1", server.port, stdin=in_read, stdout=out_write)
        os.write(in_write, b"once")
        self.assertEqual(os.read(out_read, 10), b"ONCE")
        for when in ("during", "after"):
            for fd in (in_read, out_write):
                self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK, when)
            if when == "during":
                os.close(in_write)
                self.assertEqual(process.wait(LIMIT_S), 0)
        for fd in (in_read, out_read, out_write):
            os.close(fd)

    def test_nonblocking_streams(self):
        """Another program may have left them so: neither side spins, fails or loses."""
        server = self.server()
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        os.set_blocking(in_read, False)
        os.set_blocking(out_write, False)
        process = self.start("127.0.0.1", server.port, stdin=in_read, stdout=out_write)
        os.close(in_read)
        os.close(out_write)
        data = b"z" * 1_000_000

        def feed():
            with os.fdopen(in_write, "wb") as stream:
                stream.write(data)
        threading.Thread(target=feed, daemon=True).start()
        time.sleep(0.2)
        with os.fdopen(out_read, "rb") as stream:
            self.assertEqual(stream.read(), data.upper())
        self.assertEqual(process.wait(LIMIT_S), 0)

    def test_standard_input_closed(self):
        code, out, err = self.echoc("127.0.0.1", self.server().port, stdin=None,
                                    preexec_fn=lambda: os.close(0))
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "standard input", os.strerror(errno.EBADF))

    def test_standard_input_is_a_directory(self):
        fd = os.open(self.directory.name, os.O_RDONLY)
        code, out, err = self.echoc("127.0.0.1", self.server().port, stdin=fd)
        os.close(fd)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "standard input", os.strerror(errno.EISDIR))

    def test_standard_output_closed(self):
        process = self.start("127.0.0.1", self.server().port, stdin=subprocess.PIPE,
                             stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        _, err = process.communicate(b"unheard", LIMIT_S)
        self.assertEqual(process.returncode, 1)
        self.assert_line(err.decode(), "standard output", os.strerror(errno.EBADF))

    def test_reader_of_standard_output_gone(self):
        server = self.server()
        process = self.start("127.0.0.1", server.port, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        process.stdin.write(b"first")
        self.assertEqual(process.stdout.read(5), b"FIRST")
        process.stdout.close()
        process.stdin.write(b"second")
        self.assertEqual(process.wait(LIMIT_S), 1)
        self.assert_line(process.stderr.read().decode(), "standard output",
                         os.strerror(errno.EPIPE))

    def test_standard_output_full(self):
        with open("/dev/full", "wb") as full:
            process = self.start("127.0.0.1", self.server().port, stdin=subprocess.PIPE,
                                 stdout=full, stderr=subprocess.PIPE)
            _, err = process.communicate(b"too much", LIMIT_S)
        self.assertEqual(process.returncode, 1)
        self.assert_line(err.decode(), "standard output", os.strerror(errno.ENOSPC))


class Endings(Case):
    def test_server_closes_first(self):
        def bye(connection):
            connection.recv(100)
            connection.sendall(b"BYE")
        process = self.start("127.0.0.1", self.server(bye).port, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        process.stdin.write(b"hey")
        self.assertEqual(process.wait(LIMIT_S), 1)  # though the input is still open
        self.assertEqual(process.stdout.read(), b"BYE")
        self.assertEqual(process.stderr.read().decode(),
                         "echoc: the server closed the connection\n")

    def test_server_closes_with_answers_missing(self):
        def half(connection):
            connection.recv(100)
            connection.sendall(b"H")
        process = self.start("127.0.0.1", self.server(half).port, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        process.stdin.write(b"hey")
        self.assertEqual(process.wait(LIMIT_S), 1)
        self.assert_line(process.stderr.read().decode(), "the server closed the connection",
                         "3 bytes sent", "1 bytes of replies received")

    def test_server_closes_in_the_midst_of_the_input(self):
        """It closes with bytes unread, so the system sends a reset as well."""
        def some(connection):
            connection.recv(10)
            connection.sendall(b"SOME")
        code, out, err = self.echoc("127.0.0.1", self.server(some).port, data=b"w" * 10_000_000)
        self.assertEqual(code, 1)
        self.assertIn(out, (b"SOME", b""))
        self.assert_line(err, "the ", "connection", "bytes sent")

    def test_server_resets(self):
        def broken(connection):
            connection.recv(100)
            reset(connection)
        process = self.start("127.0.0.1", self.server(broken).port, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        process.stdin.write(b"unanswered")
        self.assertEqual(process.wait(LIMIT_S), 1)
        self.assertEqual(process.stdout.read(), b"")
        self.assert_line(process.stderr.read().decode(), "the connection was reset",
                         "10 bytes sent", "0 bytes of replies")

    def test_server_resets_after_the_half_close(self):
        def broken(connection):
            while connection.recv(100):
                pass
            connection.sendall(b"A")
            time.sleep(0.1)
            reset(connection)
        code, out, err = self.echoc("127.0.0.1", self.server(broken).port, data=b"aa")
        self.assertEqual((code, out), (1, b"A"))
        self.assert_line(err, "the connection was reset")
