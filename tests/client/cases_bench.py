"""`echoc bench`: the load tester against good servers."""
import json

from support import Case, echo


class BenchCase(Case):
    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def bench(self, *arguments, code=0):
        """Run to the end; returns the JSON of the result and the summary."""
        path = self.path("result.json")
        status, out, err = self.echoc("bench", *arguments, "--json", path)
        self.assertEqual(status, code, out.decode() + err)
        return self.read(path), out.decode()


class Bench(BenchCase):
    def check_whole(self, result, messages):
        totals = result["totals"]
        self.assertEqual(totals["sent"], messages)
        self.assertEqual(totals["answered"], messages)
        self.assertEqual(totals["unanswered"], 0)
        self.assertEqual(result["errors"], {})
        self.assertEqual(result["latency_us"]["count"], messages)

    def test_messages(self):
        result, out = self.bench("-c", "5", "-n", "2000", "127.0.0.1", self.server().port)
        self.check_whole(result, 2000)
        self.assertEqual(result["totals"]["bytes_received"], 2000 * 64)
        self.assertEqual(result["totals"]["bytes_sent"], 2000 * 64)
        self.assertEqual(result["totals"]["connections"], 5)
        self.assertEqual(result["loop"], "closed")
        self.assertGreater(result["messages_per_second"], 0)
        self.assertIn("closed loop", out)
        self.assertIn("every byte of every reply was as expected", out)

    def test_a_time(self):
        result, _ = self.bench("-c", "4", "-d", "300ms", "--warmup", "50ms",
                               "127.0.0.1", self.server().port)
        self.assertAlmostEqual(result["elapsed_s"], 0.3)
        self.assertEqual(result["errors"], {})
        self.assertEqual(len(result["series"]), 1)

    def test_sizes_text_and_cuts(self):
        port = self.server().port
        for options in (["-s", "1"], ["-s", "16:3000"], ["-s", "zipf"], ["-s", "100k"],
                        ["-s", "10:300", "--text", "utf-8"], ["-s", "20:90", "--cut"],
                        ["--text", "utf-8", "--cut", "-p", "9", "-s", "30"],
                        ["-p", "16", "-s", "zipf:1:9k"], ["-p", "64", "-s", "20000"]):
            with self.subTest(options=options):
                result, _ = self.bench("-c", "3", "-n", "300", *options, "127.0.0.1", port)
                self.check_whole(result, 300)

    def test_service_echo(self):
        server = self.server(echo)
        result, _ = self.bench("-n", "200", "--service", "echo", "127.0.0.1", server.port)
        self.check_whole(result, 200)

    def test_churn(self):
        result, _ = self.bench("-c", "2", "-n", "60", "--churn=3", "127.0.0.1",
                               self.server().port)
        self.check_whole(result, 60)
        self.assertGreaterEqual(result["totals"]["connections"], 20)

    def test_open_loop(self):
        port = self.server().port
        for options in (["-r", "400"], ["-r", "400", "--poisson"], ["-r", "100:700/500ms"]):
            with self.subTest(options=options):
                result, out = self.bench("-c", "8", "-d", "500ms", *options, "127.0.0.1", port)
                self.assertEqual(result["errors"], {})
                self.assertEqual(result["loop"], "open")
                self.assertAlmostEqual(result["offered_per_second"], 400, delta=1)
                self.assertEqual(result["totals"]["due"], 200)
                self.assertIn("open loop", out)
                self.assertIn("uncorrected_us", result)

    def test_several_loops(self):
        result, _ = self.bench("-c", "5", "-n", "1001", "--threads", "3", "127.0.0.1",
                               self.server().port)
        self.check_whole(result, 1001)

    def test_think_time(self):
        result, _ = self.bench("-c", "2", "-n", "10", "--think-time", "5ms", "127.0.0.1",
                               self.server().port)
        self.check_whole(result, 10)
