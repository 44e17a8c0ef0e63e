"""Servers, programs and assertions for the tests of echoc."""
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

LIMIT_S = 120


class Programs:
    """Where the programs under test are; without an echod, a thread stands in for it."""
    echoc = None
    echod = None
    # A server with faults, and the page on the JSON of results.
    faulty = None
    schema = None
    # What goes before a program: valgrind, when the tests run under it.
    wrap = os.environ.get("GREEN_WRAP", "").split()


def upper(connection):
    """Serve as echod does, for ASCII."""
    while data := connection.recv(65536):
        connection.sendall(data.upper())


def reset(connection):
    """Make close() send a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def echo(connection):
    """Send back what comes."""
    while data := connection.recv(65536):
        connection.sendall(data)


class Server:
    """Runs a function on each connection, and closes it afterwards."""

    def __init__(self, serve=upper, path=None, port=0):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(path)
            self.socket.listen()
        else:
            self.socket = socket.create_server(("127.0.0.1", port))
            self.port = str(self.socket.getsockname()[1])
        self.serve = serve
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.handle, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def handle(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:
                pass

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


class Echod:
    """The real server on a port of the kernel's choice."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [*Programs.wrap, Programs.echod, "--port", "0", *options],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = self.process.stderr.readline().decode()
        match = re.search(r"listening on .*?127\.0\.0\.1:(\d+)", line)
        if not match:
            self.close()
            raise RuntimeError(f"echod did not start: {line!r}")
        self.port = match.group(1)

    def close(self):
        self.process.terminate()
        self.process.communicate(timeout=LIMIT_S)


class Tls:
    """Certificates of a CA that is made for the test: one of a server, one of a client."""

    def __init__(self, directory):
        self.directory = directory
        self.make("ca", "/CN=a CA")
        self.make("server", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.make("client", "/CN=a client")

    def path(self, name):
        return os.path.join(self.directory, name)

    def make(self, name, subject, *options):
        signer = [] if name == "ca" else ["-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                                          "-addext", "basicConstraints=critical,CA:false"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject,
                        "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem"),
                        *signer, *options], check=True, capture_output=True)

    def join(self, *names):
        """One file with what is in these."""
        path = self.path("-".join(names))
        with open(path, "wb") as joined:
            for name in names:
                with open(self.path(name), "rb") as file:
                    joined.write(file.read())
        return path


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def server(self, serve=None, **options):
        """A server that is closed after the test; the well-behaved one without a function."""
        if serve is None and Programs.echod and not options:
            server = Echod()
        else:
            server = Server(serve or upper, **options)
        self.addCleanup(server.close)
        return server

    def start(self, *arguments, **options):
        process = subprocess.Popen([*Programs.wrap, Programs.echoc, *arguments], **options)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                try:
                    stream.close()
                except OSError:
                    pass

    def echoc(self, *arguments, data=b"", **options):
        """Run to the end; returns (exit code, standard output, standard error)."""
        if "stdin" not in options:
            options["input"] = data
        done = subprocess.run([*Programs.wrap, Programs.echoc, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_S,
                              **options)
        return done.returncode, done.stdout, done.stderr.decode()

    def assert_line(self, text, *parts):
        """One line from echoc that contains the parts."""
        self.assertTrue(text.startswith("echoc: ") and text.endswith("\n"), text)
        self.assertEqual(text.count("\n"), 1, text)
        for part in parts:
            self.assertIn(part, text)
