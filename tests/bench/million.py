#!/usr/bin/env python3
"""A million connections to echod on one machine, or fewer, and what each costs.

usage: million.py ECHOD CROWD [CONNECTIONS]...

For each number it starts `echod --mode=green` with as many workers as the limit of descriptors
demands, holds that many connections, has each echo, waits until their tasks hibernate, has each
echo again, and prints a row of a Markdown table: seconds to connect and to echo, user memory and
page tables of the server, and slab memory of the kernel (both ends of a connection), in bytes a
connection, and the memory mappings of one worker.
"""
import os
import re
import resource
import subprocess
import sys
import time

HIBERNATE_S = 10
RESERVE = 500  # descriptors that a process needs for itself


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


def ask(crowd, order):
    """Let the crowd do something; returns the seconds that it took."""
    if order:
        crowd.stdin.write(order + "\n")
        crowd.stdin.flush()
    line = crowd.stdout.readline().split()
    if len(line) != 2 or line[1] == "failed":
        raise RuntimeError(f"the crowd: {line}")
    return float(line[1])


def run(echod, crowd_program, count):
    """Hold so many connections; returns the row."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - RESERVE
    processes = -(-count // files)
    workers = max(1, -(-count // (files * 9 // 10)))  # the kernel does not share them out evenly
    server = subprocess.Popen(
        [echod, "--mode=green", "--port=0", f"--workers={workers}", "--idle-timeout=1h",
         f"--hibernate={HIBERNATE_S}s", "--backlog=65535"], stderr=subprocess.PIPE, text=True)
    port = re.search(r":(\d+) ", server.stderr.readline()).group(1)
    time.sleep(1)
    pids = workers_of(server.pid)
    slab, before = meminfo("Slab"), memory(pids)
    crowd = subprocess.Popen([crowd_program, port, str(count), str(processes)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        connect_s = ask(crowd, None)
        echo_s = ask(crowd, "echo")
        awake, kernel = memory(pids), meminfo("Slab") - slab
        time.sleep(2.2 * HIBERNATE_S)
        asleep = memory(pids)
        wake_s = ask(crowd, "echo")
        maps = max(mappings(pid) for pid in pids)
    finally:
        crowd.stdin.close()
        crowd.wait()
        server.terminate()
        server.wait()
    each = [(now[i] - before[i]) / count for now in (awake, asleep) for i in (0, 1)]
    return (f"| {count:,} | {workers} | {connect_s:.1f} | {echo_s:.2f} | {wake_s:.2f} | "
            f"{each[0]:.0f} | {each[1]:.0f} | {each[2]:.0f} | {each[3]:.0f} | "
            f"{kernel / count:.0f} | {maps} |")


def main():
    """Print the table."""
    counts = [int(count) for count in sys.argv[3:]] or [1000, 10000, 100000, 1000000]
    print(f"{os.cpu_count()} cores, Linux {os.uname().release}\n")
    print("| connections | workers | connect, s | echo, s | echo from hibernation, s | "
          "user, awake | page tables | user, hibernated | page tables | kernel slab | mappings |")
    print("| --: " * 11 + "|")
    for count in counts:
        print(run(sys.argv[1], sys.argv[2], count), flush=True)
        time.sleep(5)


main()
