"""Starts echod for a script, reads where it listens, and ends it.

Every script here takes the path of echod first, prints what it found, and exits with 0 (shown),
1 (not so) or 77 (cannot be shown on this machine, and why).
"""
import ctypes
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
MODES = {
    'green': ['--mode=green'],
    'green2': ['--mode=green', '--workers=2'],
    'thread': ['--mode=thread'],
    'prefork': ['--mode=prefork'],
}
# Words to put in front of echod, "valgrind --log-file=/tmp/echod.%p" for one.
WRAPPER = os.environ.get('ECHOD_WRAPPER', '').split()
SMALL = os.environ.get('GREEN_STRESS') == 'small'
PATIENCE = 60


def skip(reason):
    print('SKIP:', reason)
    sys.exit(SKIPPED)


def read(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def until(condition, what):
    """Wait for something that is going to be; returns what the condition returned."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f'waited in vain: {what() if callable(what) else what}')


def talk(connection, text=b'hello'):
    """Send something, and have the answer to it."""
    connection.sendall(text)
    got = b''
    while len(got) < len(text):
        data = connection.recv(65536)
        if not data:
            raise AssertionError(f'the end came after {got!r}')
        got += data
    assert got == text.upper(), got


def raise_descriptor_limit(needed):
    """Allow this process that many descriptors, or skip the script."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        skip(f'{needed} descriptors are needed, the limit is {hard}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Echod:
    """An echod that runs; a context manager that ends it by SIGTERM and expects exit code 0."""

    def __init__(self, program, mode, *options, stdin=subprocess.DEVNULL, stdout=None):
        # echod has the same open file: it is to write at the end, wherever we have read.
        self.log = tempfile.TemporaryFile('a+b')
        self.process = subprocess.Popen(
            [*WRAPPER, program, *MODES[mode], '--port=0', *options], stdin=stdin, stdout=stdout,
            stderr=self.log, preexec_fn=_die_with_parent)
        self.address = ('127.0.0.1', self._await_port())

    def said(self):
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode(errors='replace')

    def _await_port(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            match = re.search(r'listening on 127\.0\.0\.1:(\d+) ', self.said())
            if match:
                return int(match[1])
            time.sleep(0.005)
        self.process.kill()
        raise SystemExit(f'echod does not listen; it said:\n{self.said()}')

    def connect(self):
        connection = socket.create_connection(self.address, timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE + 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = 'nothing: it does not end'
        said = self.said()
        if kind is None and (code != 0 or 'Sanitizer' in said or 'runtime error' in said):
            raise SystemExit(f'echod ended with {code}; it said:\n{said}')
        if kind is not None and kind is not SystemExit:
            print(f'echod said:\n{said}')
        return False


class Admin(Echod):
    """An echod with admin pages."""

    def __init__(self, program, mode, *options):
        super().__init__(program, mode, '--admin=127.0.0.1:0', *options)
        said = until(lambda: re.search(r'admin on http://127\.0\.0\.1:(\d+)/', self.said()), 'admin')
        self.admin_port = int(said[1])

    def ask(self, path, method='GET', body=None, **headers):
        connection = http.client.HTTPConnection('127.0.0.1', self.admin_port, timeout=PATIENCE)
        connection.request(method, path, body, {k.replace('_', '-'): v for k, v in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def status(self):
        return json.loads(self.ask('/status')[1])

    def processes(self):
        """All that echod is made of: the one that was started, and its children."""
        pid = self.process.pid
        children = read(f'/proc/{pid}/task/{pid}/children')
        return [pid, *map(int, children.split())]

    def workers(self):
        return [worker['pid'] for worker in self.status()['workers']]

    def metric(self, name):
        """The sum over all workers."""
        values = re.findall(rf'^{name}(?:\{{[^}}]*\}})? (\S+)$', self.ask('/metrics')[1], re.M)
        if not values:
            raise AssertionError('no metric ' + name)
        return sum(map(float, values))
