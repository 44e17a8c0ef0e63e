"""`echoc bench` against servers that do something wrong."""
import os
import signal
import socket
import subprocess
import threading

import hdr
from cases_bench import BenchCase
from support import LIMIT_S, Programs


class Faulty:
    """The program of faulty.c."""

    def __init__(self, kind, size, nth, ms=0):
        self.process = subprocess.Popen([Programs.faulty, kind, str(size), str(nth), str(ms)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = self.process.stdout.readline().decode().strip()

    def close(self):
        self.process.communicate(timeout=LIMIT_S)


class Faults(BenchCase):
    def faulty(self, *arguments):
        server = Faulty(*arguments)
        self.addCleanup(server.close)
        return server

    def check_damage(self, kind, name, nth):
        """A fault in one of `nth` messages, so that there is one in all."""
        server = self.faulty(kind, 32, nth)
        result, out = self.bench("-c", "4", "-p", "64", "-s", "32", "-n", str(nth + nth // 2),
                                 "--timeout", "5s", "127.0.0.1", server.port, code=1)
        self.assertEqual(result["errors"], {"verify": {name: 1}})
        damage = result["damage"]
        self.assertEqual(list(damage), [name])
        self.assertEqual(damage[name]["count"], 1)
        # A repeated reply may come when nothing is expected.
        self.assertIn(len(damage[name]["expected"]), (64, 0) if kind == "repeat" else (64,))
        self.assertNotEqual(damage[name]["expected"], damage[name]["got"])
        self.assertIn(f"1 {name}, the first on connection", out)
        lost = 1 if name == "lost" else 0
        self.assertEqual(result["totals"]["answered"], nth + nth // 2 - lost)

    def test_damage_often(self):
        for kind, name in (("drop", "lost"), ("repeat", "duplicated"), ("swap", "reordered"),
                           ("corrupt", "corrupted")):
            with self.subTest(kind=kind):
                self.check_damage(kind, name, 3000)

    def test_damage_in_one_of_a_million(self):
        nth = 20_000 if os.environ.get("GREEN_STRESS") == "small" else 1_000_000
        for kind, name in (("drop", "lost"), ("repeat", "duplicated"), ("swap", "reordered"),
                           ("corrupt", "corrupted")):
            with self.subTest(kind=kind):
                self.check_damage(kind, name, nth)

    def test_one_in_flight(self):
        for kind, name in (("drop", "lost"), ("repeat", "duplicated"), ("corrupt", "corrupted")):
            with self.subTest(kind=kind):
                server = self.faulty(kind, 64, 150)
                result, _ = self.bench("-c", "1", "-n", "200", "--timeout", "700ms", "127.0.0.1",
                                       server.port, code=1)
                self.assertEqual(result["errors"], {"verify": {name: 1}})

    def test_stall(self):
        """What a server that stood still for a second cost everybody, not just who was waiting."""
        server = self.faulty("stall", 64, 200, 1000)
        result, out = self.bench("-c", "4", "-r", "200", "-d", "3s", "--warmup", "0", "127.0.0.1",
                                 server.port)
        since_due = hdr.decode(result["histograms"]["reply"])
        since_sent = hdr.decode(result["histograms"]["uncorrected"])
        # Due in the first half of the stall: 100, each connection's own wait included.
        self.assertGreaterEqual(hdr.above(since_due, 500_000_000), 95)
        self.assertGreaterEqual(result["latency_us"]["p90"], 450_000)
        self.assertGreaterEqual(result["latency_us"]["max"], 990_000)
        # The uncorrected figure hides all but one message a connection that was sent into it.
        self.assertGreater(hdr.above(since_due, 500_000_000),
                           4 * hdr.above(since_sent, 990_000_000))
        self.assertIn("since due", out)
        self.assertIn("since sent", out)

    def closes_in_order(self, kind):
        server = self.faulty(kind, 64, 500)
        result, out = self.bench("-c", "1", "-p", "8", "-n", "1000", "127.0.0.1", server.port,
                                 code=1)
        self.assertGreaterEqual(result["errors"]["receive"]["closed"], 1)
        self.assertNotIn("verify", result["errors"])
        self.assertEqual(result["totals"]["answered"], 499)
        self.assertGreater(result["totals"]["bytes_unprocessed"], 0)
        self.assertIn("crossed the server's orderly end", out)

    def test_closes_in_order(self):
        """What crosses an orderly end is unprocessed, and nothing is lost."""
        self.closes_in_order("close")

    def test_closes_in_the_middle_of_a_message(self):
        """A server that drains answers as much of a message as it has got."""
        self.closes_in_order("half")

    def failure(self, port, *parts, options=()):
        path = self.path("result.json")
        code, out, err = self.echoc("bench", "-c", "2", "-d", "20s", *options, "--json", path,
                                    "127.0.0.1", port)
        self.assertEqual(code, 1)
        self.assert_line(err, *parts)
        self.assertIn("failed:", out.decode())
        self.assertTrue(os.path.exists(path))

    def test_no_echo_server(self):
        self.failure(self.faulty("banner", 64, 1).port, "no uppercase-echo server", "220 mail")

    def test_server_that_only_echoes(self):
        self.failure(self.faulty("echo", 64, 1).port, "--service echo")

    def test_server_that_is_silent(self):
        self.failure(self.faulty("silent", 64, 1).port, "answers none",
                     options=("--timeout", "500ms"))

    def test_server_that_closes_at_once(self):
        self.failure(self.faulty("close", 64, 1).port, "ends every connection")

    def test_server_that_goes_away(self):
        server = self.faulty("exit", 64, 300)
        code, out, err = self.echoc("bench", "-c", "2", "-d", "100s", "--timeout", "500ms",
                                    "127.0.0.1", server.port)
        self.assertEqual(code, 1)
        self.assert_line(err, "the server is gone")
        self.assertIn("receive", out.decode())
        self.assertIn("Connection refused", out.decode())

    def test_no_server(self):
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = str(held.getsockname()[1])
        code, out, err = self.echoc("bench", "-d", "1s", "127.0.0.1", port)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "cannot connect", "is echod running?")

    def test_resets_are_errors(self):
        server = self.faulty("reset", 64, 300)
        result, _ = self.bench("-c", "1", "-n", "1000", "127.0.0.1", server.port, code=1)
        self.assertIn("ECONNRESET", result["errors"]["receive"])
        self.assertEqual(result["totals"]["answered"], 299)
        self.assertIn("ends every connection", result["failure"])

    def test_attacks_beside_a_load(self):
        result, out = self.bench("-c", "2", "-d", "1500ms", "--attack",
                                 "slowloris=3,idle=3,slow-read=2,reset=2,half-close=2,churn=2",
                                 "127.0.0.1", self.server().port)
        self.assertEqual(result["errors"], {})
        self.assertIn("beside slow-write=3", out)

    def test_interrupt(self):
        path = self.path("result.json")
        busy = threading.Event()

        def serve(connection):
            while data := connection.recv(65536):
                busy.set()
                connection.sendall(data.upper())
        process = self.start("bench", "-c", "2", "-d", "100s", "--json", path, "127.0.0.1",
                             self.server(serve).port, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertTrue(busy.wait(LIMIT_S))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(self.read(path)["interrupted"])
        self.assertIn("interrupted", out.decode())
