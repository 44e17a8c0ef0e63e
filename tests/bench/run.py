#!/usr/bin/env python3
"""Measure green beside its peers, and write what came out as JSON and as Markdown.

usage: run.py BUILD_DIRECTORY quick|full OUTPUT_DIRECTORY

Figures of one table are from the same run: each round does every peer in turn. What counts first is
processor time of the server a message, as a ratio to the raw epoll server in the same round. A round
in which a client failed, or in which other programs had a good part of the machine, is thrown away
and named. The last committed result, docs/benchmarks/latest.json, is compared with.
"""
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OTHERS_MAX = 0.35  # of a core, by programs that are not ours
TEXTS = {"ascii": "the quick brown fox jumps over it",
         "utf-8": "съешь ещё этих мягких булок, да åäö",
         "utf-8, no character cut": "съешьещёэтихмягкихбулокдаåäö"}


def busy_s():
    """Seconds that all cores have worked."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


class Bench:
    """One run: where things are, and what has come out."""

    def __init__(self, build, full):
        self.build = build
        self.full = full
        self.thrown = []
        self.tables = {}

    def path(self, *parts):
        """A program of the build."""
        return os.path.join(self.build, *parts)

    def servers(self):
        """The command lines that are measured, by name; the raw epoll server first."""
        peer, echod = self.path("tests", "peer_server"), self.path("server", "echod")
        return {
            "epoll by hand": [peer, "epoll"],
            "echod green": [echod, "--mode=green", "--port=0"],
            "echod green, GREEN_IO=epoll": ["env", "GREEN_IO=epoll", echod, "--mode=green",
                                            "--port=0"],
            "threads by hand": [peer, "threads"],
            "echod thread": [echod, "--mode=thread", "--port=0"],
            "prefork by hand": [peer, "prefork"],
            "echod prefork": [echod, "--mode=prefork", "--port=0"],
        }

    def with_server(self, command, body):
        """Start a server, call body(port), and end it."""
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            port = re.search(r":(\d+) ", server.stderr.readline()).group(1)
            return body(port)
        finally:
            server.terminate()
            server.wait()
            server.stderr.close()

    def load(self, port, arguments):
        """One load by echoc; its JSON, or a reason to throw it away."""
        start, began = busy_s(), time.monotonic()
        done = subprocess.run(
            [self.path("client", "echoc"), "bench", "127.0.0.1", port, "--quiet", "--json", "-",
             *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None, "the client failed"
        result = json.loads(done.stdout)
        wall = time.monotonic() - began
        share = result["elapsed_s"] / wall
        ours = result["server"]["cpu_s"] / share + result["client_cpu"] * wall
        others = (busy_s() - start - ours) / wall
        if others > OTHERS_MAX:
            return None, f"other programs had {others:.2f} of a core"
        return result, None

    def compare(self, case, arguments, names, rounds, seconds):
        """Rounds of one case over several servers."""
        costs = {name: [] for name in names}
        ratios = {name: [] for name in names}
        tails = {name: [] for name in names}
        arguments = arguments + ["-d", f"{seconds}s", "--warmup", "200ms"]
        for number in range(1, rounds + 1):
            base = None
            for name in names:
                result, reason = self.with_server(
                    self.servers()[name], lambda port: self.load(port, arguments))
                if reason is not None:
                    self.thrown.append(f"{case}, round {number}, {name}: {reason}")
                    if name == names[0]:
                        break
                    continue
                cost = result["server"]["cpu_us_per_message"]
                base = cost if name == names[0] else base
                costs[name].append(cost)
                ratios[name].append(cost / base)
                tails[name].append(result["reply_us"]["p999"])
        self.tables[case] = {
            name: {"us": statistics.median(costs[name]),
                   "ratio": statistics.median(ratios[name]),
                   "ratio_least": min(ratios[name]), "ratio_most": max(ratios[name]),
                   "p999_us": statistics.median(tails[name]), "rounds": len(costs[name])}
            for name in names if costs[name]}

    def primitives(self, rounds):
        """Single operations; in a full run in turns with the peers that were built."""
        peers = [self.path("tests", "bench", "peers", f"peer_tasks_{name}")
                 for name in ("go", "st", "fiber")]
        programs = [self.path("tests", "bench_primitives")]
        programs += filter(os.path.exists, peers) if self.full else []
        best, medians = {}, {}
        for _ in range(rounds):
            for program in programs:
                done = subprocess.run([program, "--json"], capture_output=True, text=True,
                                      check=True)
                for row in map(json.loads, done.stdout.splitlines()):
                    what, who = row["what"], row["who"]
                    least = best.setdefault(what, {})
                    least[who] = min(row["best"], least.get(who, row["best"]))
                    medians.setdefault(what, {}).setdefault(who, []).append(row["median"])
        self.tables["primitives, ns, best"] = best
        self.tables["primitives, ns, median"] = {
            what: {who: statistics.median(values) for who, values in row.items()}
            for what, row in medians.items()}

    def bulk(self, rounds):
        """Mebibytes a second over one connection, as a ratio to a thread's loop by hand."""
        peer, echod = self.path("tests", "peer_server"), self.path("server", "echod")
        table = {}
        for service in ("echo", "upper"):
            for kind, text in TEXTS.items():
                ratios = []
                for _ in range(rounds):
                    speed = []
                    for command in ([peer, "threads", service],
                                    [echod, "--port=0", f"--service={service}"]):
                        speed.append(self.with_server(command, lambda port: float(subprocess.run(
                            [self.path("tests", "bench_bulk"), port, "200", text],
                            capture_output=True, text=True, check=True).stdout)))
                    ratios.append(speed[1] / speed[0])
                table[f"{service}, {kind}"] = {
                    "ratio": statistics.median(ratios), "ratio_least": min(ratios),
                    "ratio_most": max(ratios), "rounds": rounds}
        self.tables["bulk"] = table

    def idle(self):
        """Memory of an idle connection."""
        done = subprocess.run(
            [sys.executable, os.path.join(TOP, "tests", "bench", "idle.py"),
             self.path("server", "echod")], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        self.tables["an idle connection"] = {
            name: value for name, value in found.items() if isinstance(value, dict)}

    def waking(self):
        """Tasks that hibernate, beside tasks that are awake, with the engines that there are."""
        table = {}
        for forced in ({}, {"GREEN_IO": "epoll"}):
            done = subprocess.run([self.path("tests", "bench_hibernate"), "--json"],
                                  env={**os.environ, **forced}, capture_output=True, text=True,
                                  check=False)
            for row in map(json.loads, done.stdout.splitlines()):
                table.setdefault(row["what"], {})[row["who"]] = row["median"]
        if table:
            self.tables["waking, ns, median"] = table

    def run(self):
        """All of it."""
        rounds, seconds = (9, 3) if self.full else (3, 1)
        green = ["epoll by hand", "echod green", "echod green, GREEN_IO=epoll"]
        self.primitives(5 if self.full else 1)
        self.compare("64 connections x 64 B", ["-c", "64"], green, rounds, seconds)
        self.compare("1,000 x 64 B", ["-c", "1000"], green, rounds, seconds)
        if self.full:
            self.compare("one connection", ["-c", "1"], green, rounds, seconds)
            self.compare("10,000 x 64 B", ["-c", "9000"], green, rounds, seconds)
            self.compare("64 x 16 KiB", ["-c", "64", "-s", "16k"], green, rounds, seconds)
            self.compare("64 x 64 B, 16 in flight", ["-c", "64", "-p", "16"], green, rounds,
                         seconds)
            self.compare("churn", ["-c", "64", "--churn"], green, rounds, seconds)
        self.compare("threads, 64 x 64 B", ["-c", "64"], ["threads by hand", "echod thread"],
                     rounds, seconds)
        self.compare("prefork, 8 x 64 B", ["-c", "8"], ["prefork by hand", "echod prefork"],
                     rounds, seconds)
        self.bulk(rounds)
        self.idle()
        if self.full:
            self.waking()


def version_of(command):
    """The first line that a program says of its version."""
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(command, capture_output=True, text=True,
                          check=False).stdout.splitlines()[0]


def machine():
    """What it was measured on."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"system": platform.platform(), "processor": model.group(1) if model else "?",
            "processors": os.cpu_count(), "compiler": version_of(["cc", "--version"]),
            "green": commit, "load": os.getloadavg()[0],
            "date": datetime.datetime.now().isoformat(timespec="minutes")}


def show(value):
    """A figure in a table."""
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return str(value)


def markdown(result):
    """The tables for people."""
    about = result["machine"]
    lines = [f"# {about['date']}, {about['green']}", "",
             f"{about['processors']} x {about['processor']}, {about['system']}, "
             f"{about['compiler']}; load {about['load']:.1f} at the end."]
    for title, table in result["tables"].items():
        columns = list(dict.fromkeys(column for row in table.values() for column in row))
        lines += ["", f"## {title}", ""]
        if not table:
            lines += ["No round was calm enough."]
            continue
        lines += ["| | " + " | ".join(columns) + " |",
                  "| --- |" + " --: |" * len(columns)]
        lines += [f"| {name} | " + " | ".join(show(row.get(c, "")) for c in columns) + " |"
                  for name, row in table.items()]
    lines += ["", "## Thrown away", ""]
    lines += [f"- {reason}" for reason in result["thrown"]] or ["Nothing."]
    return "\n".join(lines) + "\n"


def compare_with_last(result):
    """Ratios and nanoseconds that moved by a tenth since the committed result."""
    last_path = os.path.join(TOP, "docs", "benchmarks", "latest.json")
    if not os.path.exists(last_path):
        return ["There is no committed result to compare with."]
    with open(last_path, encoding="utf-8") as file:
        last = json.load(file)
    lines = []
    for title, table in result["tables"].items():
        for name, row in table.items():
            before = last["tables"].get(title, {}).get(name, {})
            for key in ("ratio", "green", "together"):
                if key in row and before.get(key):
                    change = row[key] / before[key]
                    if not 0.9 < change < 1.1:
                        lines.append(f"{title}, {name}: {key} {show(before[key])} then, "
                                     f"{show(row[key])} now ({change:.2f})")
    return lines or ["Nothing moved by a tenth since the committed result."]


def main():
    """Run, write, show."""
    build, size, output = sys.argv[1:4]
    bench = Bench(build, size == "full")
    bench.run()
    result = {"machine": machine(), "tables": bench.tables, "thrown": bench.thrown}
    os.makedirs(output, exist_ok=True)
    with open(os.path.join(output, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1, ensure_ascii=False)
        file.write("\n")
    text = markdown(result)
    with open(os.path.join(output, "result.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    print("\n".join(compare_with_last(result)))


main()
