#!/usr/bin/env python3
"""What TLS costs echod: processor time a message and a handshake, and memory of an idle connection.

usage: tls.py BUILD_DIRECTORY messages|handshakes|idle [ROUNDS]

Each round does every mode without TLS and with it, in turn; figures are the server's alone. TLS is
version 1.3 with a certificate of P-256. A round in which other programs had a good part of the machine
is thrown away. Prints the rows of a table in Markdown, with lowest and highest.
"""
import argparse
import contextlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "client"))
from support import Tls  # noqa: E402

OTHERS_MAX = 0.5  # of a core, by programs that are not ours
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MODES = ("green", "thread", "prefork")
IDLE = {"green": 9900, "thread": 2000, "prefork": 200}


def busy_s():
    """Seconds that all cores have worked."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    return (sum(ticks) - ticks[3] - ticks[4]) * TICK_S


def processes(pid):
    """A server and its workers."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [pid, *map(int, file.read().split())]


def cpu_s(pid):
    """What a server and its workers have worked.

    The one clock is exact and forgets threads that have ended, the other counts in hundredths.
    """
    total = 0
    for member in processes(pid):
        exact = 0
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{member}/stat", encoding="ascii") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks = sum(map(int, fields[11:15] if member == pid else fields[11:13]))
            for task in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{task}/schedstat", encoding="ascii") as file:
                    exact += int(file.read().split()[0]) / 1e9
            total += max(ticks * TICK_S, exact)
    return total


def proportional(pid):
    """Bytes of a server and its workers, what they share divided between them."""
    total = 0
    for member in processes(pid):
        with open(f"/proc/{member}/smaps_rollup", encoding="ascii") as file:
            total += int(re.search(r"^Pss: +(\d+)", file.read(), re.M)[1]) * 1024
    return total


class Server:
    """An echod, without TLS or with it."""

    def __init__(self, build, papers, mode, tls, *options):
        names = ("--tls-cert=" + papers.path("server.pem"), "--tls-key=" + papers.path("server.key"))
        self.process = subprocess.Popen(
            [os.path.join(build, "server", "echod"), "--mode=" + mode, "--port=0",
             *(names if tls else ()), *options], stderr=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+) ", self.process.stderr.readline())[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


class Measure:
    """Figures by mode, kind and case."""

    def __init__(self, build, papers):
        self.build = build
        self.papers = papers
        self.found = {}
        self.trust = ssl.create_default_context(cafile=papers.path("ca.pem"))

    def pair(self, case, mode, one):
        """one() of both sorts, such as without and with TLS; both figures count, or neither does."""
        figures = []
        for sort in (False, True):
            start, began = busy_s(), time.monotonic()
            figure, ours = one(sort)
            others = (busy_s() - start - ours) / (time.monotonic() - began)
            if others > OTHERS_MAX:
                print(f"thrown away: {case}, {mode}: others had {others:.2f} of a core",
                      file=sys.stderr)
                return
            figures.append(figure)
        self.found.setdefault((case, mode), []).append(figures)

    def load(self, mode, tls, *options):
        """echoc's result, and what it and the server have worked together."""
        with Server(self.build, self.papers, mode, tls, "--encoding=ascii") as server:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [os.path.join(self.build, "client", "echoc"), "bench", "--quiet", "--json", "-",
                 "--warmup", "200ms", "-d", "1s", *options,
                 *(("--tls-ca", self.papers.path("ca.pem")) if tls else ()), "127.0.0.1",
                 str(server.port)], capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            client = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return json.loads(done.stdout), client + cpu_s(server.process.pid)

    def messages(self):
        """Small messages and large ones."""
        for mode in MODES:
            count = "8" if mode == "prefork" else "64"
            for case, options in (("64 B", ["-c", count]), ("16 KiB", ["-c", "8", "-s", "16k"])):
                def one(tls, mode=mode, options=options):
                    result, ours = self.load(mode, tls, *options)
                    return result["server"]["cpu_us_per_message"], ours
                self.pair(case, mode, one)

    def handshakes(self):
        """A connection for each message, and sessions that go on beside those that do not."""
        for mode in MODES:
            def whole(tls, mode=mode):
                result, ours = self.load(mode, tls, "-c", "8", "--churn")
                return (result["server"]["cpu_us_per_message"], result["messages_per_second"]), ours
            self.pair("a connection, plain and with TLS", mode, whole)
            self.pair("a handshake, whole and resumed", mode,
                      lambda resumed, mode=mode: self.again(mode, resumed))

    def again(self, mode, resumed, count=1500):
        """Connections from Python, which can take its session along."""
        with Server(self.build, self.papers, mode, True) as server:
            session = None
            begin = cpu_s(server.process.pid)
            own = time.process_time()
            for number in range(count):
                raw = socket.create_connection(("127.0.0.1", server.port))
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.trust.wrap_socket(raw, server_hostname="localhost",
                                            session=session) as connection:
                    connection.sendall(b"hello")
                    if connection.recv(5) != b"HELLO" or \
                            connection.session_reused != (resumed and number > 0):
                        raise RuntimeError("not an echo, or another sort of session")
                    session = connection.session if resumed else None
            spent = cpu_s(server.process.pid) - begin
            return (spent / count * 1e6, 0), spent + time.process_time() - own

    def idle(self):
        """Connections that were answered once and wait, awake and, in mode green, hibernated."""
        for mode in MODES:
            count = IDLE[mode]
            for tls in (False, True):
                with Server(self.build, self.papers, mode, tls, "--hibernate=8s",
                            "--max-workers=300") as server, contextlib.ExitStack() as stack:
                    connect = self.connector(server, tls, stack)
                    for _ in range(8):  # what the first ones take for all
                        connect()
                    before = proportional(server.process.pid)
                    for _ in range(count):
                        connect()
                    time.sleep(1)
                    awake = (proportional(server.process.pid) - before) / count
                    time.sleep(12 if mode == "green" else 0)
                    asleep = (proportional(server.process.pid) - before) / count
                    print(f"| {mode} | {'TLS' if tls else 'plain'} | {count} | "
                          f"{awake / 1024:.1f} KiB | {asleep / 1024:.1f} KiB |", flush=True)

    def connector(self, server, tls, stack):
        """A function that makes one more connection and has it answered."""
        def connect():
            connection = socket.create_connection(("127.0.0.1", server.port))
            if tls:
                connection = self.trust.wrap_socket(connection, server_hostname="localhost")
            stack.enter_context(connection)
            connection.sendall(b"hello")
            if connection.recv(5) != b"HELLO":
                raise RuntimeError("not an echo")
        return connect

    def rows(self):
        """The table: medians, lowest and highest in brackets."""
        def span(values, form):
            least, most = format(min(values), form), format(max(values), form)
            return f"{format(statistics.median(values), form)} ({least} to {most})"
        for (case, mode), rounds in self.found.items():
            if isinstance(rounds[0][0], tuple):
                rates = [[rate for _, rate in pair] for pair in rounds]
                rounds = [[cost for cost, _ in pair] for pair in rounds]
            else:
                rates = [[0, 0]]
            yield (f"| {case} | {mode} | {len(rounds)} | {span([p for p, _ in rounds], '.1f')} | "
                   f"{span([t for _, t in rounds], '.1f')} | "
                   f"{span([t / p for p, t in rounds], '.2f')} | "
                   + (f"{statistics.median(p for p, _ in rates):.0f} | "
                      f"{statistics.median(t for _, t in rates):.0f} |" if rates[0][0] else ""))


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What TLS costs echod.")
    parser.add_argument("build")
    parser.add_argument("what", choices=("messages", "handshakes", "idle"))
    parser.add_argument("rounds", nargs="?", type=int, default=1)
    given = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as directory:
        measure = Measure(given.build, Tls(directory))
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):  # what was measured so far counts
            for _ in range(given.rounds):
                getattr(measure, given.what)()
        print("\n".join(measure.rows()))


main()
