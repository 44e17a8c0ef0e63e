"""The comparison of servers: real ones in each mode, other programs, what goes wrong, Ctrl-C."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time

from support import LIMIT_S, Case, Programs

COLUMNS = ["server", "messages/s", "spread", "ratio", "p50", "p99", "p99.9", "CPU/msg", "RAM/conn",
           "errors", "rounds"]
# A few messages, however long they take: nothing here depends on how fast the machine is.
FEW = ("-n", "400", "-c", "4", "--think-time", "1ms", "--warmup", "0s", "--rounds", "1")

SERVER = """
    import os, socket, subprocess, sys, threading
    # The first argument is the port, the second what to do, the third a file to write to.
    port, what, path = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    if what == "exit":
        sys.exit("it does not feel like it")
    if what == "has-child":
        child = subprocess.Popen(["sleep", "600"]).pid
        open(path, "w").close()
    answered = 0
    def serve(connection):
        global answered
        with connection:
            while data := connection.recv(65536):
                answered += 1
                if what == "dies" and answered > 50:
                    print("all is lost", file=sys.stderr, flush=True)
                    os._exit(3)
                if what == "marks" and answered > 50:
                    with open(path, "w") as file:
                        file.write(str(os.getpid()))
                if what == "has-child" and answered > 50 and os.path.getsize(path) == 0:
                    with open(path, "w") as file:
                        file.write(f"{os.getpid()} {child}")
                connection.sendall(b"?" * len(data) if what == "garbles" else
                                   data if what == "echo" else data.upper())
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""


class CompareCase(Case):
    def setUp(self):
        super().setUp()
        if Programs.wrap:
            self.skipTest("valgrind knows no pidfd_open(), by which programs are waited for")
        self.script = self.path("server.py")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(SERVER))

    def foreign(self, name, what, *more):
        return f"{name}={sys.executable} {self.script} PORT {what}" + "".join(f" {m}" for m in more)

    def compare(self, *arguments, **options):
        code, out, err = self.echoc("compare", "--echod", Programs.echod, *arguments, **options)
        return code, out.decode(), err

    def measured(self, *arguments, code=0):
        """Compare, and return the JSON and what was printed."""
        report = self.path("report.json")
        found, out, err = self.compare(*arguments, "--json", report)
        self.assertEqual(found, code, err)
        with open(report, encoding="utf-8") as file:
            return json.load(file), out, err

    def rows(self, out):
        """The rows of the tables in the output, as dictionaries."""
        rows = []
        lines = out.split("\n")
        for i, line in enumerate(lines):
            if line.startswith("server  "):
                self.assertEqual(line.split(), COLUMNS)
                for row in lines[i + 1:]:
                    if not row:
                        break
                    self.assertEqual(len(row), len(line), "a table's rows are equally long")
                    cells = re.split(r"  +", row.strip())
                    self.assertEqual(len(cells), len(COLUMNS), row)
                    rows.append(dict(zip(COLUMNS, cells)))
        return rows


class Compare(CompareCase):
    def test_all_modes(self):
        page = self.path("page.html")
        modes = ["green", "green*2", "thread", "prefork"]
        data, out, err = self.measured(*FEW, "--html", page)
        self.assertEqual([server["name"] for server in data["servers"]], modes)
        self.assertIn("--workers=2", data["servers"][1]["command"])
        self.assertEqual((data["format"], data["version"]), ("echoc-compare", 1))
        rows = self.rows(out)
        self.assertEqual([row["server"] for row in rows], modes)
        self.assertEqual({row["errors"] for row in rows}, {"0"})
        self.assertEqual({round["result"]["totals"]["answered"] >= 400
                          for round in data["rounds"]}, {True})
        self.assertEqual(err.count("\n"), 4, err)
        words = " ".join(out[out.index("prefork", out.index("prefork") + 1):].split())
        self.assertIn(data["words"].split(". ")[0], " ".join(out.split()))
        self.assertTrue(words)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(data["words"].split(". ")[0], text)
        self.assertIn(data["servers"][2]["command"], text)

    def test_each_figure_of_the_table_is_that_of_the_rounds(self):
        data, out, _ = self.measured(*FEW, "--modes", "green,thread", "--rounds", "3")
        for row, summary in zip(self.rows(out), data["summary"]):
            rates = sorted(round["result"]["messages_per_second"] for round in data["rounds"]
                           if round["server"] == row["server"] and round["used"])
            self.assertEqual(summary["messages_per_second_min"], rates[0])
            self.assertEqual(summary["messages_per_second_max"], rates[-1])
            if len(rates) % 2:
                self.assertEqual(summary["messages_per_second"], rates[len(rates) // 2])
            self.assertEqual(row["ratio"], f"{summary['ratio']:.2f}")
        self.assertEqual(data["summary"][0]["ratio"], 1)

    def test_rounds_begin_with_another_each_time(self):
        data, _, _ = self.measured(*FEW, "--modes", "green,thread", "--rounds", "2")
        self.assertEqual([(r["round"], r["server"]) for r in data["rounds"]],
                         [(1, "green"), (1, "thread"), (2, "thread"), (2, "green")])

    def test_sweep(self):
        data, out, _ = self.measured("-n", "300", "--warmup", "0s", "--rounds", "1", "--modes",
                                     "green,thread", "--sweep", "c=1,8")
        self.assertEqual([(r["server"], r["connections"]) for r in data["rounds"]],
                         [("green", 1), ("thread", 1), ("green", 8), ("thread", 8)])
        self.assertEqual([r["result"]["options"]["connections"] for r in data["rounds"]],
                         [1, 1, 8, 8])
        self.assertEqual(len(self.rows(out)), 4)
        self.assertIn("\n8 connections\n", out)

    def test_more_than_prefork_has(self):
        data, out, _ = self.measured("-n", "300", "--warmup", "0s", "--rounds", "1", "--modes",
                                     "prefork", "--sweep", "c=1,5000")
        self.assertEqual([r["used"] for r in data["rounds"]], [True, False])
        self.assertIn("more than 2000 are not started", " ".join(out.split()))

    def test_work(self):
        for option in ("delay", "burn"):
            data, _, _ = self.measured("-n", "20", "-c", "2", "--warmup", "0s", "--rounds", "1",
                                       "--modes", "green,prefork", f"--{option}", "2ms")
            self.assertEqual(data[option + "_ms"], 2)
            for server in data["servers"]:
                self.assertIn(f"--{option}=2", server["command"])
            for round in data["rounds"]:
                self.assertGreaterEqual(round["result"]["latency_us"]["p50"], 2000)
            self.assertIn("2 ms each", data["words"])

    def test_nothing_is_left_running(self):
        data, _, _ = self.measured(*FEW)
        for round in data["rounds"]:
            self.assertFalse(os.path.exists(f"/proc/{round['result']['server']['pid']}")
                             if "server" in round["result"] else False)

    def test_output_of_json(self):
        code, out, _ = self.compare(*FEW, "--modes", "green", "--quiet", "--json", "-")
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out)["servers"][0]["name"], "green")


class Foreign(CompareCase):
    def test_upper_and_echo(self):
        data, out, _ = self.measured(*FEW, "--modes", "green", "--modes",
                                     self.foreign("mine", "upper") + ","
                                     + self.foreign("plain", "echo"))
        self.assertEqual([row["server"] for row in self.rows(out)], ["green", "mine", "plain"])
        self.assertEqual([r["result"]["totals"]["errors"] for r in data["rounds"]], [0, 0, 0])
        port = re.search(r"server.py (\d+) upper", data["servers"][1]["command"])
        self.assertTrue(port, data["servers"][1]["command"])

    def test_commas_and_quotes(self):
        data, _, _ = self.measured(*FEW, "--modes", self.foreign("mine", "upper", r"a\,b", "'c d'"))
        self.assertTrue(data["servers"][0]["command"].endswith("upper a,b 'c d'"))

    def test_one_that_ends_at_once(self):
        code, out, err = self.compare(*FEW, "--modes", "green," + self.foreign("mine", "exit"))
        self.assertEqual((code, out), (1, ""))
        self.assert_line(err, "mine: its server ended with exit status 1",
                         "it does not feel like it")

    def test_one_that_is_not_there(self):
        code, out, err = self.compare(*FEW, "--modes", "mine=/nowhere/at/all PORT")
        self.assertEqual((code, out), (1, ""))
        self.assert_line(err, "mine: its server cannot be started: /nowhere/at/all",
                         "No such file")

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            command = self.foreign("mine", "upper").replace("PORT",
                                                            str(taken.getsockname()[1])) + " PORT"
            code, out, err = self.compare(*FEW, "--modes", command)
        self.assertEqual((code, out), (1, ""))
        self.assert_line(err, "mine: its server ended", "Address already in use")

    def test_no_echo_server(self):
        code, out, err = self.compare(*FEW, "--modes", self.foreign("mine", "garbles"))
        self.assertEqual((code, out), (1, ""))
        self.assert_line(err, "mine: its server is no echo server")

    def test_one_that_dies_in_the_middle(self):
        data, out, err = self.measured(*FEW, "--rounds", "2", "--timeout", "2s", "--modes",
                                       self.foreign("mine", "dies") + ",green", code=1)
        lines = [line for line in err.split("\n") if line.startswith("echoc: ")]
        self.assertEqual(len(lines), 1, err)
        self.assertIn("mine: its server ended with exit status 3: all is lost", lines[0])
        # It is not tried again; the other one is measured to the end.
        self.assertEqual([(r["server"], r["used"]) for r in data["rounds"]],
                         [("mine", False), ("green", True), ("green", True)])
        self.assertIn("Of mine there is no round that counts.", " ".join(out.split()))


class Interrupted(CompareCase):
    def test_ctrl_c(self):
        mark, report = self.path("mark"), self.path("report.json")
        process = self.start("compare", "--echod", Programs.echod, "-d", "600s", "-c", "2",
                             "--modes", self.foreign("mine", "marks", mark) + ",green", "--json",
                             report, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        server, = self.wait_for_mark(mark, process)
        # As a terminal would: to all that are in the foreground, which the server is not.
        self.assertNotEqual(os.getpgid(server), os.getpgid(process.pid))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
        self.assertIn(process.returncode, (0, 1), err)
        self.assertFalse(os.path.exists(f"/proc/{server}"))
        with open(report, encoding="utf-8") as file:
            data = json.load(file)
        self.assertTrue(data["interrupted"])
        self.assertEqual([r["server"] for r in data["rounds"]], ["mine"])
        self.assertEqual([row["server"] for row in self.rows(out.decode())], ["mine", "green"])

    def test_killed(self):
        """Neither the server nor what that has started outlives an echoc that is killed."""
        mark = self.path("mark")
        process = self.start("compare", "--echod", Programs.echod, "-d", "600s", "-c", "2",
                             "--quiet", "--modes", self.foreign("mine", "has-child", mark),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pidfds = [os.pidfd_open(pid) for pid in self.wait_for_mark(mark, process)]
        process.kill()
        process.wait()
        for pidfd in pidfds:
            ended, _, _ = select.select([pidfd], [], [], LIMIT_S)
            self.assertTrue(ended, "it runs on")
            os.close(pidfd)

    def wait_for_mark(self, path, process):
        """The pids that the server writes once it is under load."""
        while True:
            self.assertIsNone(process.poll(), "it ended by itself")
            try:
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                if text:
                    return [int(word) for word in text.split()]
            except FileNotFoundError:
                pass
            time.sleep(0.01)

    def test_only_its_own_servers_are_stopped(self):
        other = self.server()
        self.measured(*FEW, "--modes", "green")
        self.assertEqual(self.echoc("-e", "still here", "127.0.0.1", other.port),
                         (0, b"STILL HERE", ""))


class CompareUsage(CompareCase):
    def refused(self, *arguments, says):
        code, out, err = self.compare(*arguments)
        self.assertEqual((code, out), (2, ""))
        self.assert_line(err, "(try echoc compare --help)", *says)

    def test_modes(self):
        for modes, says in (("fast", "there is no mode fast; there are green, thread and prefork"),
                            ("green,", "a name has 1 to 24 bytes"),
                            ("green,green", "green is there twice"),
                            ("green*0", "workers are a number from 1"),
                            ("green*x", "workers are a number from 1"),
                            ("thread*2", "green and prefork have workers"),
                            ("mine=server", "PORT"),
                            ("mine=", "PORT"),
                            ("mine=server PORT | cat", "a command is a program and its words"),
                            ("mine=server 'PORT", "its quotes do not match"),
                            ("mine=server $NO_SUCH_THING PORT", "is not set"),
                            (",".join(f"x{i}=y PORT" for i in range(13)), "no more than 12")):
            with self.subTest(modes=modes):
                self.refused("--modes", modes, says=[says])

    def test_numbers(self):
        for option, value, says in (("--rounds", "0", "from 1 to 100"),
                                    ("--rounds", "many", "from 1 to 100"),
                                    ("--sweep", "1,2", "c=1,64,1000"),
                                    ("--sweep", "c=2,1", "ascend"),
                                    ("--sweep", "c=", "ascend"),
                                    ("--delay", "soon", "milliseconds"),
                                    ("--burn", "-1", "milliseconds"),
                                    ("--json", "", "a value must follow")):
            with self.subTest(option=option, value=value):
                self.refused(option, value, says=[option, says])

    def test_what_makes_no_sense_together(self):
        self.refused("--delay", "5", "--burn", "5", says=["one kind of work at a time"])
        self.refused("--delay", "5", "--modes", "mine=server PORT", says=["options of echod"])
        self.refused("--json", "-", "--html", "-", says=["standard output takes one"])
        self.refused("localhost", says=["localhost: compare starts its servers itself"])
        self.refused("--no-such-option", says=["--no-such-option"])

    def test_files_are_tried_first(self):
        for option in ("--json", "--html"):
            code, out, err = self.compare(*FEW, option, "/nowhere/at/all")
            self.assertEqual((code, out), (1, ""))
            self.assert_line(err, "cannot write /nowhere/at/all")

    def test_no_echod(self):
        code, out, err = self.echoc("compare", "--echod", "/nowhere/echod", *FEW)
        self.assertEqual((code, out), (1, b""))
        self.assert_line(err, "green: its server cannot be started: /nowhere/echod", "--echod")

    def test_help(self):
        code, out, err = self.compare("--help")
        self.assertEqual((code, err), (0, ""))
        for part in ("--modes", "--sweep", "--connections", "NAME=COMMAND", "Exit status"):
            self.assertIn(part, out)
