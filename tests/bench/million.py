#!/usr/bin/env python3
"""A million connections to echod on one machine, or fewer, and what each costs.

usage: million.py ECHOD CROWD [CONNECTIONS]...

For each number it starts `echod --mode=green` with as many workers as the limit of descriptors
demands and a listener for each, holds that many connections, has each echo, waits until their tasks
hibernate, and has each echo again. It prints two tables in Markdown. Times: seconds, and microseconds
of the server's processor time a connection, to connect and echo, to hibernate and to echo from there;
what the server takes when all sleep; how the workers share the connections. Memory, in bytes a
connection: the server's own and its page tables, awake and hibernated, and the kernel's slabs, in
which both ends of a connection are; and the mappings of one worker. It gives up before the machine is
out of memory.
"""
import argparse
import os
import re
import resource
import select
import subprocess
import sys
import time

HIBERNATE_S = 10
A_SECOND = 8000  # connections that are made and answered in a second at least, or some would hibernate
QUIET_S = 5
RESERVE = 500  # descriptors that a process needs for itself
LEAST_FREE = 1536 * 1024 * 1024
TIMES = ("connections", "workers", "of each", "connect, s", "echo, s", "both, µs", "hibernate, µs",
         "all asleep, % of a core", "echo again, s", "µs")
MEMORY = ("connections", "awake", "page tables", "hibernated", "page tables", "kernel", "mappings")


def meminfo(key):
    """A line of /proc/meminfo, in bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(rf"^{key}: +(\d+)", file.read(), re.M).group(1)) * 1024


def workers_of(pid):
    """A process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [pid] + [int(child) for child in file.read().split()]


def memory(pids):
    """User memory that is the processes' own, and page tables, in bytes."""
    user = tables = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            lines = dict(line.split(":", 1) for line in status)
        user += int(lines["RssAnon"].split()[0]) * 1024
        tables += int(lines["VmPTE"].split()[0]) * 1024
    return user, tables


def mappings(pid):
    """How many mappings a process has."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        return sum(1 for _ in file)


def cpu_s(pids):
    """Processor time that all threads of the processes have had."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def ask(crowd, order):
    """Let the crowd do something; returns the seconds that it took."""
    if order:
        crowd.stdin.write(order + "\n")
        crowd.stdin.flush()
    while not select.select([crowd.stdout], [], [], 0.5)[0]:
        if meminfo("MemAvailable") < LEAST_FREE:
            crowd.kill()
            raise RuntimeError("the machine has not the memory for so many")
    line = crowd.stdout.readline().split()
    if len(line) != 2 or line[1] == "failed":
        raise RuntimeError(f"the crowd: {line}")
    return float(line[1])


def sockets(pid):
    """How many descriptors of a process are sockets."""
    directory = f"/proc/{pid}/fd"
    return sum(os.readlink(f"{directory}/{fd}").startswith("socket:")
               for fd in os.listdir(directory))


def start(echod, workers, hibernate_s):
    """Start a server; returns it and its port."""
    server = subprocess.Popen(
        [echod, "--mode=green", "--port=0", f"--workers={workers}", "--idle-timeout=1h",
         f"--hibernate={hibernate_s}s", "--backlog=65535", "--accept=reuseport"],
        stderr=subprocess.PIPE, text=True)
    port = re.search(r":(\d+) ", server.stderr.readline()).group(1)
    time.sleep(1 + workers / 20)
    return server, port


def run(echod, crowd_program, count):
    """Hold so many connections; returns a row for each table."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - RESERVE
    processes = -(-count // files)
    workers = max(1, -(-count // (files * 9 // 10)))  # they do not get the same number
    hibernate_s = max(HIBERNATE_S, count // A_SECOND)
    server, port = start(echod, workers, hibernate_s)
    pids = workers_of(server.pid)
    listeners = [sockets(pid) for pid in pids]
    slab, before = meminfo("Slab"), memory(pids)
    cpu = [cpu_s(pids)]
    crowd = subprocess.Popen([crowd_program, port, str(count), str(processes)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        connect_s = ask(crowd, None)
        cpu.append(cpu_s(pids))
        echo_s = ask(crowd, "echo")
        cpu.append(cpu_s(pids))
        awake, kernel = memory(pids), meminfo("Slab") - slab
        time.sleep(1.6 * hibernate_s + QUIET_S)
        cpu.append(cpu_s(pids))
        asleep = memory(pids)
        time.sleep(QUIET_S)
        cpu.append(cpu_s(pids))
        again_s = ask(crowd, "echo")
        cpu.append(cpu_s(pids))
        shares = [sockets(pid) - less for pid, less in zip(pids, listeners)][workers > 1:]
        maps = max(mappings(pid) for pid in pids)
    finally:
        crowd.stdin.close()
        crowd.wait()
        server.terminate()
        server.wait()
    took = [(after - earlier) / count * 1e6 for earlier, after in zip(cpu, cpu[1:])]
    each = [round((now[i] - before[i]) / count) for now in (awake, asleep) for i in (0, 1)]
    share = f"{min(shares):,} to {max(shares):,}" if workers > 1 else ""
    return ((f"{count:,}", workers, share, f"{connect_s:.1f}", f"{echo_s:.2f}",
             f"{took[0] + took[1]:.1f}", f"{took[2]:.1f}", f"{(cpu[4] - cpu[3]) / QUIET_S * 100:.1f}",
             f"{again_s:.2f}", f"{took[4]:.1f}"),
            (f"{count:,}", *(f"{value:,}" for value in each), f"{round(kernel / count):,}", maps))


def show(title, rows):
    """Print a table."""
    print("| " + " | ".join(title) + " |\n|" + " --: |" * len(title))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description="A million connections, and what each costs.")
    parser.add_argument("echod")
    parser.add_argument("crowd", help="build/tests/bench_crowd")
    parser.add_argument("connections", nargs="*", type=int, default=[1000, 10000, 100000, 1000000])
    given = parser.parse_args()
    rows = []
    try:
        for count in given.connections:
            rows.append(run(given.echod, given.crowd, count))
            print(f"{count}: done", file=sys.stderr, flush=True)
            time.sleep(5)
    finally:
        print(f"{os.cpu_count()} cores, Linux {os.uname().release}\n")
        show(TIMES, [times for times, _ in rows])
        show(MEMORY, [sizes for _, sizes in rows])


main()
