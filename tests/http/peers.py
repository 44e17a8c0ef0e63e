"""What the tests with other people's programs share: starting, finding and ending them.

Each script takes the paths of demo_server and demo_client and exits with 0 (shown), 1 (not so) or
77 (cannot be shown on this machine, and why). Everything stays on the loopback and on ports that
the kernel gave; only processes that were started here are ended.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

WRAPPER = os.environ.get('GREEN_WRAP', '').split()
SMALL = os.environ.get('GREEN_STRESS') == 'small'
PATIENCE = 60


def skip(reason):
    print('SKIP:', reason)
    sys.exit(77)


def need(program):
    path = shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if path is None:
        skip(f'{program} is not installed')
    return path


def expect(what, actual, wanted):
    if actual != wanted:
        raise SystemExit(f'{what}: {actual!r}, not {wanted!r}')


_held = []


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def held_port():
    """A port for a listener that reuses addresses; held, so that nobody else gets it meanwhile."""
    held = socket.socket()
    _held.append(held)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(('127.0.0.1', 0))
    return held.getsockname()[1]


def await_port(process, port):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(('127.0.0.1', port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f'{process.args[0]} does not listen')


class Program:
    """A program that runs until the block ends; then it is told to end, and has to."""

    def __init__(self, *args, **options):
        self.errors = tempfile.TemporaryFile('a+b')  # it writes at the end, wherever we read
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=self.errors,
                                        preexec_fn=_die_with_parent, **options)

    def said(self):
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), size, 0).decode(errors='replace')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.process.terminate()
        try:
            self.code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise SystemExit(f'{self.process.args[0]} does not end') from None
        return False


class Server(Program):
    """demo_server; `url` is where it listens. Its drain has to succeed."""

    def __init__(self, program, kind='task'):
        super().__init__(*WRAPPER, program, kind, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        if not line.startswith('listening on '):
            raise SystemExit(f'demo_server does not listen; it said:\n{self.said()}')
        self.url = line.split()[2]
        self.port = int(self.url.rsplit(':', 1)[1])

    def __exit__(self, kind, value, traceback):
        super().__exit__(kind, value, traceback)
        said = self.said()
        if kind is None and (self.code != 0 or 'Sanitizer' in said or 'runtime error' in said):
            raise SystemExit(f'demo_server ended with {self.code}; it said:\n{said}')
        return False


def run(*args, data=None):
    """Run a program to its end: its code, output and errors."""
    done = subprocess.run(args, input=data, stdin=None if data is not None else subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE * 2, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors='replace')


def client(program, *args, data=None):
    return run(*WRAPPER, program, *args, data=data)
