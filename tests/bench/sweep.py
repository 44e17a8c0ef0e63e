#!/usr/bin/env python3
"""What hibernation costs a server that is busy, while 10,000 of its connections sleep.

usage: sweep.py ECHOD ECHOC CROWD [--idle N] [--active 64,1000] [--rounds N] [--turns N]
                [--seconds S] [--others CORES]

CROWD is build/tests/bench_crowd. In a round there are fresh servers: one that does not hibernate,
one that does after 10 s as it is by default, one that does after a second, and once more one that
does not, to show what the others' ratios are worth. Each has its idle connections, which echoed
once and were then silent until they slept, and one that now and then says something, so that there
always is somebody for the sweep to look at. Then echoc loads one server after the other, for some
turns of a second or so, in an order that changes with the turn. The servers have the first
processor, echoc the second.

Prints a table in Markdown: microseconds of the server's processor time a message, all turns of a
round together, and the ratio to the first server within the round; medians with the least and the
most. A round in which other programs had a good part of the machine is thrown away, and named. Set
GREEN_IO for another engine.
"""
import argparse
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time

SERVERS = {"off": "off", "after 10 s": "10s", "after 1 s": "1s", "off, again": "off"}
ASLEEP_S = 17  # by then all have waited for 10 s when a sweep, one in 5 s, has come by
WARMUP = "1ms"  # uncounted messages would be in the server's time


def on(processor, *command):
    """The command, held to one processor."""
    return ["taskset", "-c", str(processor), *command]


def busy_s():
    """Seconds of processors that programs have used, and that the host has taken."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def children_s():
    """Seconds of processors that our children have used which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Server:
    """An echod, and the idle connections that it has."""

    def __init__(self, options, hibernate):
        self.process = subprocess.Popen(
            on(0, options.echod, "--mode=green", "--port=0", f"--hibernate={hibernate}",
               "--idle-timeout=1h"), stderr=subprocess.PIPE, text=True)
        self.port = re.search(r":(\d+) ", self.process.stderr.readline())[1]
        self.crowd = subprocess.Popen(on(1, options.crowd, self.port, str(options.idle), "1"),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for order in ("", "echo\n"):
            self.crowd.stdin.write(order)
            self.crowd.stdin.flush()
            line = self.crowd.stdout.readline()
            if not line or "failed" in line:
                raise RuntimeError("the idle connections cannot be had")
        self.talker = socket.create_connection(("127.0.0.1", int(self.port)))

    def talk(self):
        """Have the talker awake."""
        self.talker.sendall(b"hello")
        if self.talker.recv(5, socket.MSG_WAITALL) != b"HELLO":
            raise RuntimeError("not an echo")

    def cpu_s(self):
        """Processor time that its threads have had."""
        total = 0
        directory = f"/proc/{self.process.pid}/task"
        for task in os.listdir(directory):
            with open(f"{directory}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def resident(self):
        """Bytes of its own memory."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^RssAnon:\s+(\d+)", file.read(), re.M)[1]) * 1024

    def end(self):
        """End it and its connections."""
        self.talker.close()
        self.crowd.stdin.close()
        self.crowd.wait()
        self.process.kill()
        self.process.wait()


def load(options, server, active):
    """A turn: seconds of the server's processor time, messages, and the seconds of other programs."""
    busy, children, cpu = busy_s(), children_s(), server.cpu_s()
    server.talk()
    done = subprocess.run(
        on(1, options.echoc, "bench", "-c", str(active), "-d", f"{options.seconds}s", "--warmup",
           WARMUP, "--quiet", "--json", "-", "127.0.0.1", server.port),
        capture_output=True, text=True, check=True)
    cpu = server.cpu_s() - cpu
    others = busy_s() - busy - cpu - (children_s() - children)
    return cpu, json.loads(done.stdout)["reply_us"]["count"], others


def turns(options, servers, active):
    """Microseconds a message of each server, or None; and the cores that other programs had."""
    began, names = time.monotonic(), list(servers)
    cpu, messages = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    others = 0
    for turn in range(options.turns):
        first = turn % len(names)
        for name in (names[first:] + names[:first])[::-1 if turn // len(names) % 2 else 1]:
            figures = load(options, servers[name], active)
            cpu[name] += figures[0]
            messages[name] += figures[1]
            others += figures[2]
    others /= time.monotonic() - began
    costs = {name: cpu[name] / messages[name] * 1e6 for name in names}
    return (costs if others <= options.others else None), others


def one_round(options, number, found, memory):
    """A round: fresh servers, and each load on each of them."""
    servers = {}
    try:
        for name, hibernate in SERVERS.items():
            servers[name] = Server(options, hibernate)
        time.sleep(ASLEEP_S)
        for name, server in servers.items():
            memory.setdefault(name, []).append(server.resident() / options.idle)
        for active in options.active:
            costs, others = turns(options, servers, active)
            print(f"round {number + 1}, {active} connections: others had {others:.2f} of a core"
                  f"{': thrown away' if costs is None else ''}", file=sys.stderr, flush=True)
            if costs is not None:
                found.setdefault(active, []).append(costs)
    finally:
        for server in servers.values():
            server.end()


def spread(values, form):
    """A median, the least and the most."""
    return (f"{form.format(statistics.median(values))} "
            f"({form.format(min(values))} to {form.format(max(values))})")


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("echod")
    parser.add_argument("echoc")
    parser.add_argument("crowd")
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--active", default="64,1000")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--others", type=float, default=0.35)
    options = parser.parse_args()
    options.active = [int(word) for word in options.active.split(",")]
    if os.cpu_count() < 2:
        sys.exit("sweep.py: servers and load need a processor each")
    found, memory = {}, {}
    for number in range(options.rounds):
        one_round(options, number, found, memory)
    print("| active | hibernation | µs a message | ratio | rounds | resident, bytes an idle one |")
    print("| --: | --- | --: | --: | --: | --: |")
    for active, rounds in found.items():
        for name in SERVERS:
            ratios = [costs[name] / costs["off"] for costs in rounds]
            print(f"| {active:,} | {name} | {spread([c[name] for c in rounds], '{:.2f}')} | "
                  f"{spread(ratios, '{:.3f}')} | {len(rounds)} | "
                  f"{statistics.median(memory[name]):,.0f} |")


main()
