"""`echoc bench`: its options, its files, its display; and `echoc merge`."""
import csv
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import hdr
from cases_bench import BenchCase
from support import LIMIT_S, Case, Programs

WIDTHS = (20, 40, 80, 200)


class BenchUsage(Case):
    def check(self, arguments, *parts, command="bench"):
        code, out, err = self.echoc(command, *arguments)
        self.assertEqual((code, out), (2, b""), err)
        self.assert_line(err, f"try echoc {command} --help", *parts)

    def test_options(self):
        self.check(["--loud"], "--loud: no such option")
        self.check(["-z"], "-z: no such option")
        self.check(["-c"], "-c: a value must follow")
        self.check(["--cut=yes"], "--cut=yes", "no value")
        self.check(["-c", "many"], "--connections many", "such as 64 or 10k")
        self.check(["-d", "10 s"], "--duration 10 s", "10s, 500ms or 2m")
        self.check(["-s", "0"], "--size 0", "16:16384, or zipf")
        self.check(["-r", "1000:50000"], "--rate", "1000:50000/30s")
        self.check(["-p", "0"], "--pipeline 0")
        self.check(["--attack", "bomb=1"], "--attack bomb=1", "slowloris")
        self.check(["--json", ""], "--json", "a path must follow")
        self.check(["--wait", "soon"], "--wait soon", "number of seconds")

    def test_together(self):
        self.check(["--poisson"], "--poisson", "--rate")
        self.check(["-r", "5", "--think-time", "1s"], "--think-time", "--rate")
        self.check(["-c", "0"], "--connections 0", "--attack")
        self.check(["--unix", "x", "localhost"], "localhost", "--unix x")

    def test_words(self):
        self.check(["localhost", "0"], "port 0: a port is a number from 1 to 65535")
        self.check(["localhost", "80", "more"], "more")
        self.check([""], "host ''")

    def test_merge(self):
        self.check([], "which logs", command="merge")
        self.check(["--loud"], "--loud: no such option", command="merge")

    def test_help(self):
        for command in ("bench", "merge"):
            code, out, err = self.echoc(command, "--help")
            self.assertEqual((code, err), (0, ""))
            self.assertIn(f"Usage: echoc {command}".encode(), out)
            self.assertLessEqual(max(len(line) for line in out.splitlines()), 82)

    def test_host_that_is_called_bench(self):
        """A host of that name is reached by an option before it."""
        code, _, err = self.echoc("--wait", "0", "bench", "1")
        self.assertEqual(code, 1)
        self.assertIn("bench", err)
        self.assertNotIn("--help", err)

    def test_file_that_cannot_be_written(self):
        began = time.monotonic()
        for option in ("--json", "--hdr", "--csv", "--html"):
            code, out, err = self.echoc("bench", "-d", "100s", option, self.path("no/such"),
                                        "127.0.0.1", "1")
            self.assertEqual((code, out), (1, b""))
            self.assert_line(err, "cannot write", "no/such")
        self.assertLess(time.monotonic() - began, 100)


class BenchOutput(BenchCase):
    def run_all(self, *options):
        paths = {name: self.path(name) for name in ("hdr", "csv", "html")}
        files = [word for name, path in paths.items() for word in (f"--{name}", path)]
        result, _ = self.bench("-c", "3", *options, *files, "127.0.0.1", self.server().port)
        return result, paths

    def test_json(self):
        result, _ = self.run_all("-n", "500")
        for name in ("p50", "p90", "p99", "p999", "p9999", "max"):
            self.assertGreater(result["latency_us"][name], 0)
        self.assertEqual((result["format"], result["version"]), ("echoc-bench", 1))
        self.assertEqual(result["options"]["connections"], 3)
        self.assertEqual(result["options"]["messages"], 500)
        self.assertIn("echoc bench -c 3 -n 500", result["command"])
        self.assertGreater(result["machine"]["processors"], 0)
        # Every member is in the page that documents them.
        with open(Programs.schema, encoding="utf-8") as file:
            known = set(re.findall(r"`([a-z0-9_.-]+)`", file.read()))
        members = set(result) | set(result["totals"]) | set(result["series"][0])
        members |= set(result["latency_us"]) | set(result["machine"])
        members |= set(result.get("server", {})) | set(result["histograms"])
        self.assertEqual(members - known, set())

    def test_histograms_agree(self):
        result, paths = self.run_all("-n", "700")
        buckets = hdr.decode(result["histograms"]["reply"])
        self.assertEqual(hdr.count(buckets), 700)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            wanted = hdr.quantile(buckets, share) / 1e3
            self.assertLessEqual(result["latency_us"][name], wanted)
            self.assertGreaterEqual(result["latency_us"][name], wanted * 0.999)
        log = hdr.read_log(paths["hdr"])
        self.assertEqual(sum(hdr.count(row[2]) for row in log[""]), 700)
        self.assertEqual(sum(hdr.count(row[2]) for row in log["connect"]), 3)

    def test_series(self):
        result, paths = self.run_all("-d", "2500ms", "--warmup", "0")
        with open(paths["csv"], encoding="ascii") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["at_s"] for row in rows], ["0", "1", "2"])
        self.assertEqual([row["length_s"] for row in rows], ["1.000", "1.000", "0.500"])
        self.assertEqual([int(row["answered"]) for row in rows],
                         [row["answered"] for row in result["series"]])
        self.assertEqual(rows[1]["connections"], "3")
        with open(paths["html"], encoding="utf-8") as file:
            self.assertIn("<svg", file.read())

    def test_server_figures(self):
        if not Programs.echod:
            self.skipTest("no echod")
        server = self.server()
        result, out = self.bench("-c", "8", "-d", "700ms", "127.0.0.1", server.port)
        # Under valgrind the process that serves is not called echod.
        self.assertEqual(result["server"]["pid"], server.process.pid)
        self.assertGreater(result["server"]["resident_bytes"], 0)
        self.assertGreater(result["server"]["switches_voluntary"]
                           + result["server"]["switches_involuntary"], 0)
        self.assertIn("µs of processor a message", out)

    def test_standard_output(self):
        code, out, err = self.echoc("bench", "-c", "1", "-n", "10", "--json", "-", "127.0.0.1",
                                    self.server().port)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(json.loads(out)["totals"]["answered"], 10)

    def test_quiet(self):
        self.assertEqual(self.echoc("bench", "-n", "10", "--quiet", "127.0.0.1",
                                    self.server().port), (0, b"", ""))

    def test_merge(self):
        logs = []
        port = self.server().port
        for count in (300, 500):
            logs.append(self.path(f"log{count}"))
            self.bench("-n", str(count), "--hdr", logs[-1], "127.0.0.1", port)
        code, out, err = self.echoc("merge", *logs, "--hdr", self.path("sum"))
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out.decode(), r"reply +800 ")
        parts = [hdr.read_log(path)[""] for path in logs]
        total = hdr.read_log(self.path("sum"))[""]
        for bound in (0, 50_000, 100_000, 1_000_000):
            self.assertEqual(sum(hdr.above(row[2], bound) for row in total),
                             sum(hdr.above(row[2], bound) for part in parts for row in part))
        code, out, _ = self.echoc("merge", self.path("sum"))
        self.assertEqual(code, 0)
        self.assertRegex(out.decode(), r"reply +800 ")

    def test_merge_of_something_else(self):
        path = self.path("other")
        for content in ("", "# nothing\n", "hello\n", "0.0,1.0,1.0,AAAA\n"):
            with open(path, "w", encoding="ascii") as file:
                file.write(content)
            code, _, err = self.echoc("merge", path)
            self.assertEqual(code, 1)
            self.assert_line(err, "cannot read", path)


class BenchLive(BenchCase):
    def at_terminal(self, width, *arguments, keys=b"", term="xterm"):
        """Run at a terminal of so many columns; returns the code and all that was written."""
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        before = termios.tcgetattr(side)
        process = self.start("bench", *arguments, stdin=side, stdout=subprocess.PIPE, stderr=side,
                             env={**os.environ, "TERM": term}, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        written = b""
        deadline = time.monotonic() + LIMIT_S
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([main], [], [], 0.05)[0]:
                written += os.read(main, 65536)
            if keys and written.count(b"\r") > 8:
                os.write(main, keys)
                keys = b""
        while select.select([main], [], [], 0)[0]:
            written += os.read(main, 65536)
        self.assertEqual(termios.tcgetattr(side), before)
        os.close(side)
        self.addCleanup(process.stdout.close)
        return process.returncode, process.stdout.read().decode(), written.decode()

    def lines(self, written):
        """The drawings of the line, each of which erased the one before."""
        parts = [part for part in re.split(r"\r", written.replace("^C", "")) if part]
        for part in parts:
            self.assertTrue(part.endswith("\x1b[K"), repr(part))
        self.assertEqual(parts[-1], "\x1b[K")
        return [part[:-3] for part in parts[:-1]]

    def test_one_line_at_any_width(self):
        port = self.server().port
        for width in WIDTHS:
            with self.subTest(width=width):
                code, out, written = self.at_terminal(width, "-c", "2", "-d", "700ms",
                                                      "127.0.0.1", port)
                self.assertEqual(code, 0)
                lines = self.lines(written)
                self.assertGreater(len(lines), 3)
                # With a ^C behind it, which the terminal writes, it is still one line.
                self.assertLess(max(map(len, lines)) + len("^C"), width)
                self.assertTrue(any("/s" in line for line in lines), lines)
                self.assertIn("throughput", out)

    def test_interrupted_at_the_terminal(self):
        code, out, written = self.at_terminal(80, "-c", "2", "-d", "100s", "127.0.0.1",
                                              self.server().port, keys=b"\x03")
        self.assertEqual(code, 0)
        self.lines(written)
        self.assertIn("interrupted", out)

    def test_a_terminal_that_cannot_redraw(self):
        code, _, written = self.at_terminal(80, "-c", "2", "-d", "500ms", "127.0.0.1",
                                            self.server().port, term="dumb")
        self.assertEqual((code, written), (0, ""))

    def test_plain_lines_in_a_pipe(self):
        code, _, err = self.echoc("bench", "-c", "1", "-d", "5200ms", "127.0.0.1",
                                  self.server().port)
        self.assertEqual(code, 0)
        # One every five seconds; on a busy machine the preparations may have one too.
        lines = err.splitlines(keepends=True)
        self.assertLessEqual(len(lines), 2, err)
        self.assert_line(lines[-1], "/s", "%")
