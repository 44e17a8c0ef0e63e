#!/usr/bin/env python3
"""Hold echoc bench against another load generator: the same server, the same load, in turns.

usage: generators.py ECHOC GENERATOR [--cases 64x64,1000x64] [--rounds N] [--seconds S]
                     NAME=COMMAND...

GENERATOR is a command line in which PORT, CONNECTIONS, SIZE and SECONDS stand for what their
names say. It keeps one message in flight on each connection for 0.3 s or so and then
measures for so many seconds, and prints one JSON object: msgs_s, p50 and p99 (microseconds) and
errs. Each COMMAND is an upper-case echo server, PORT its port.

In a round a fresh server is measured by both, who begin in turn; the server has the first processor
and the clients the second. A row is the medians of both and of the ratios within the rounds, with
the least and the most, and what both used of their processor: where that is nearly all of it, the
rate is the client's and not the server's. A round in which other programs, or other machines of the
same host, had a good part of a processor is thrown away, and counted in the last column.
"""
import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time

WARMUP_S = 0.3
OTHERS_MAX = 0.15  # of a core, by programs that are not ours


def on(processor, command):
    """The command, held to one processor."""
    return ["taskset", "-c", str(processor), *command]


def fill(words, **values):
    """A command line with its place holders replaced."""
    filled = []
    for word in words:
        for key, value in values.items():
            word = word.replace(key, str(value))
        filled.append(word)
    return filled


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command):
    """Start a server; returns it and its port once it can be connected to."""
    port = free_port()
    server = subprocess.Popen(on(0, fill(command.split(), PORT=port)), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.02)
    server.kill()
    raise RuntimeError(f"cannot be connected to: {command}")


def machine_s():
    """Seconds of processors that programs have used, and that the host has taken."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, _, _, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def children_s():
    """Seconds of processors that our children have used which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def client(command):
    """Run a client; its JSON and the share of a processor that it used."""
    before, began = children_s(), time.monotonic()
    done = subprocess.run(on(1, command), capture_output=True, text=True, check=False)
    used = (children_s() - before) / (time.monotonic() - began)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout[-300:]}{done.stderr[-300:]}")
    return json.loads(done.stdout), used


def by_echoc(options, port, connections, size):
    """Rate, p50, p99 and processor share of echoc."""
    result, _ = client([options.echoc, "bench", "-c", str(connections), "-s", str(size),
                        "-d", f"{options.seconds}s", "--warmup", f"{WARMUP_S}s", "--quiet",
                        "--json", "-", "127.0.0.1", str(port)])
    return (result["messages_per_second"], result["latency_us"]["p50"],
            result["latency_us"]["p99"], result["client_cpu"])


def by_other(options, port, connections, size):
    """The same of the other generator."""
    result, used = client(fill(options.generator.split(), PORT=port,
                               CONNECTIONS=connections, SIZE=size, SECONDS=options.seconds))
    if result["errs"]:
        raise RuntimeError(f"the other generator counted {result['errs']} errors")
    return result["msgs_s"], result["p50"], result["p99"], result.get("gen_cpu", used)


def round_of(options, command, number, connections, size):
    """Both against one server; echoc's figures and the other's, or None: others were busy."""
    all_before, ours_before, began = machine_s(), children_s(), time.monotonic()
    server, port = start(command)
    try:
        figures = {}
        turns = [by_echoc, by_other]
        for turn in turns if number % 2 else reversed(turns):
            figures[turn] = turn(options, port, connections, size)
    finally:
        server.kill()
        server.wait()
    others = machine_s() - all_before - (children_s() - ours_before)
    others /= time.monotonic() - began
    if others > OTHERS_MAX:
        print(f"round {number + 1} does not count: others had {others:.2f} of a core",
              file=sys.stderr)
        return None
    return figures[by_echoc], figures[by_other]


def row(name, case, rounds, thrown):
    """A row of the table."""
    cells = [name, case]
    if not rounds:
        return f"| {name} | {case} |" + " |" * 11 + f" 0, {thrown} thrown away |"
    for index, form in enumerate(("{:,.0f}", "{:,.0f}", "{:,.0f}")):
        ratios = [ours[index] / other[index] for ours, other in rounds]
        cells += [form.format(statistics.median(ours[index] for ours, _ in rounds)),
                  form.format(statistics.median(other[index] for _, other in rounds)),
                  f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"]
    cells += [f"{statistics.median(side[who][3] for side in rounds):.2f}" for who in (0, 1)]
    cells += [f"{len(rounds)}, {thrown} thrown away" if thrown else str(len(rounds))]
    return "| " + " | ".join(cells) + " |"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("echoc")
    parser.add_argument("generator")
    parser.add_argument("servers", nargs="+")
    parser.add_argument("--cases", default="64x64,1000x64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("generators.py: server and client need a processor each")
    print("| server | connections x bytes | echoc, messages/s | other | ratio | echoc p50, us | "
          "other | ratio | echoc p99, us | other | ratio | echoc, cores | other | "
          "rounds |")
    print("| --- | --- |" + " --: |" * 12)
    for case in options.cases.split(","):
        connections, size = (int(word) for word in case.split("x"))
        rounds = {server: [] for server in options.servers}
        for number in range(options.rounds):
            for server in options.servers:
                rounds[server].append(round_of(options, server.split("=", 1)[1], number,
                                               connections, size))
        for server in options.servers:
            good = [figures for figures in rounds[server] if figures is not None]
            print(row(server.split("=", 1)[0], case, good, len(rounds[server]) - len(good)),
                  flush=True)


main()
