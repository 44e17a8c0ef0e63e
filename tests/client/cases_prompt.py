"""echoc at a terminal."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time

from support import LIMIT_S, Case, Programs, reset

PROMPT = b"==>: "


def _as_from_a_terminal():
    """In the child: what a login shell gives its programs, whatever started the tests."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """echoc on a terminal of its own."""

    def __init__(self, directory, arguments, columns=80, **environment):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.attributes = termios.tcgetattr(self.slave)
        environment = {"TERM": "xterm", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                       "HOME": directory, **environment}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "GREEN_IO",
                     "LD_LIBRARY_PATH"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.errors = tempfile.TemporaryFile(dir=directory)
        self.process = subprocess.Popen(
            [*Programs.wrap, Programs.echoc, *arguments],
            stdin=self.slave, stdout=self.slave, stderr=self.errors, env=environment,
            start_new_session=True,
            preexec_fn=_as_from_a_terminal)
        self.unread = b""
        self.seen = b""

    def type(self, text):
        os.write(self.master, text)

    @staticmethod
    def settle():
        """Let the program come to rest before a signal.

        ThreadSanitizer keeps what comes at the wrong moment with the task that ran then, which may
        never run again. Without it there is no wrong moment.
        """
        if "TSAN_OPTIONS" in os.environ:
            time.sleep(0.3)

    def signal(self, number):
        self.settle()
        self.process.send_signal(number)

    def expect(self, text):
        """Read until the text has come; what comes after it is kept."""
        end = time.monotonic() + LIMIT_S
        while text not in self.unread:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"{text!r} did not come; there was {self.unread!r}, "
                                     f"all in all {self.seen!r}")
            data = os.read(self.master, 65536)
            self.unread += data
            self.seen += data
        before, _, self.unread = self.unread.partition(text)
        return before

    def rest(self):
        """What has been written and not been expected, once the program is gone."""
        while select.select([self.master], [], [], 0.1)[0]:
            data = os.read(self.master, 65536)
            self.unread += data
        return self.unread

    def wait(self):
        code = self.process.wait(LIMIT_S)
        self.errors.seek(0)
        return code, self.errors.read().decode()

    def restored(self):
        return termios.tcgetattr(self.slave) == self.attributes

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
        self.errors.close()


class Interactive(Case):
    def terminal(self, server, *arguments, **options):
        terminal = Terminal(self.directory.name, [*arguments, "127.0.0.1", server.port], **options)
        self.addCleanup(terminal.close)
        terminal.expect(PROMPT)
        return terminal

    def finish(self, terminal, code=0, err=""):
        self.assertEqual(terminal.wait(), (code, err))
        self.assertTrue(terminal.restored(), "the terminal has not been restored")

    def test_lines_are_answered(self):
        terminal = self.terminal(self.server())
        terminal.type(b"hello\n")
        terminal.expect(b"HELLO\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"again\n")
        terminal.expect(b"AGAIN\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_lines_are_sent_with_their_line_end(self):
        received = []

        def note(connection):
            while data := connection.recv(100):
                received.append(data)
                connection.sendall(b"ok\n")
        terminal = self.terminal(self.server(note))
        for line in (b"one", b"", b"two words "):
            terminal.type(line + b"\r")
            terminal.expect(b"ok\r\n")
            terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)
        self.assertEqual(received, [b"one\n", b"\n", b"two words \n"])

    def test_utf8_is_edited_by_characters(self):
        received = []

        def note(connection):
            while data := connection.recv(100):
                received.append(data)
                connection.sendall(data)
        for locale in ("C.UTF-8", "C"):
            received.clear()
            terminal = self.terminal(self.server(note), LC_ALL=locale)
            terminal.type("añb€".encode() + b"\x7f\x7f" + "ß\n".encode())
            terminal.expect("añß\r\n".encode())
            terminal.expect(PROMPT)
            terminal.type(b"\x04")
            self.finish(terminal)
            self.assertEqual(received, ["añß\n".encode()])

    def test_history_in_a_session_and_across(self):
        server = self.server()
        terminal = self.terminal(server)
        for line in (b"first", b"second"):
            terminal.type(line + b"\n")
            terminal.expect(line.upper() + b"\r\n")
            terminal.expect(PROMPT)
        terminal.type(b"\x1b[A\x1b[A")
        terminal.expect(b"first")
        terminal.type(b"\n")
        terminal.expect(b"FIRST\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)
        path = self.path(".local/state/echoc/history")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["history"])
        terminal = self.terminal(server)
        terminal.type(b"\x1b[A")
        terminal.expect(b"first")
        terminal.type(b"\n")
        terminal.expect(b"FIRST\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_history_that_cannot_be_kept(self):
        server = self.server()
        with open(self.path("file"), "w", encoding="ascii"):
            pass
        for state in ("/proc/none", self.path("file")):
            terminal = self.terminal(server, XDG_STATE_HOME=state)
            terminal.type(b"lost\n")
            terminal.expect(b"LOST\r\n")
            terminal.expect(PROMPT)
            terminal.type(b"\x04")
            self.finish(terminal)

    def test_reply_comes_above_the_line_that_is_typed(self):
        go = threading.Event()

        def slow(connection):
            connection.recv(100)
            go.wait(LIMIT_S)
            connection.sendall(b"LATE REPLY\n")
            while connection.recv(100):
                pass
        terminal = self.terminal(self.server(slow))
        terminal.type(b"ask\n")
        terminal.expect(PROMPT)
        terminal.type(b"half a line")
        terminal.expect(b"line")
        go.set()
        terminal.expect(b"\r\x1b[JLATE REPLY\r\n")
        terminal.expect(PROMPT + b"half a line")
        terminal.type(b"\x15\x04")
        self.finish(terminal)

    def test_reply_above_a_line_of_several_rows(self):
        go = threading.Event()

        def slow(connection):
            go.wait(LIMIT_S)
            connection.sendall(b"LATE REPLY\n")
            while connection.recv(100):
                pass
        terminal = self.terminal(self.server(slow), columns=40)
        terminal.type(b"0123456789" * 9 + b"end")  # 5 + 93 columns: three rows
        terminal.expect(b"end")
        go.set()
        terminal.expect(b"\r\x1b[2A\x1b[JLATE REPLY\r\n")
        terminal.expect(PROMPT + b"0123456789")
        terminal.type(b"\x15\x04")
        self.finish(terminal)

    def test_reply_without_a_line_end(self):
        def partial(connection):
            connection.recv(100)
            connection.sendall(b"PART")
            while connection.recv(100):
                pass
        terminal = self.terminal(self.server(partial))
        terminal.type(b"ask\n")
        terminal.expect(b"PART\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_end_of_input_prints_what_is_still_to_come(self):
        def late(connection):
            while connection.recv(100):
                pass
            for part in (b"WHAT ", b"WAS ", b"LEFT"):
                time.sleep(0.1)
                connection.sendall(part)
        terminal = self.terminal(self.server(late))
        terminal.type(b"ask\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        terminal.expect(b"WHAT WAS LEFT\r\n")
        self.finish(terminal)

    def test_server_closes_at_the_prompt(self):
        go = threading.Event()

        def leave(connection):
            connection.recv(100)
            connection.sendall(b"GOING\n")
            go.wait(LIMIT_S)
        terminal = self.terminal(self.server(leave))
        terminal.type(b"leave\n")
        terminal.expect(b"GOING\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"unsent")
        terminal.expect(b"unsent")
        go.set()
        self.finish(terminal, 1, "echoc: the server closed the connection\n")

    def test_server_resets_at_the_prompt(self):
        def broken(connection):
            connection.recv(100)
            reset(connection)
        terminal = self.terminal(self.server(broken))
        terminal.type(b"hello\n")
        code, err = terminal.wait()
        self.assertEqual(code, 1)
        self.assert_line(err, "the connection was reset", "6 bytes sent")
        self.assertTrue(terminal.restored())

    def test_control_c_drops_the_line_then_ends(self):
        terminal = self.terminal(self.server())
        terminal.type(b"never mind")
        terminal.expect(b"mind")
        terminal.settle()
        terminal.type(b"\x03")
        terminal.expect(b"^C")
        terminal.expect(PROMPT)
        terminal.type(b"kept\n")
        terminal.expect(b"KEPT\r\n")
        self.assertNotIn(b"NEVER", terminal.seen)
        terminal.expect(PROMPT)
        terminal.settle()
        terminal.type(b"\x03")
        self.finish(terminal, -signal.SIGINT)

    def test_signals_restore_the_terminal(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
            terminal = self.terminal(self.server())
            self.assertFalse(terminal.restored())
            terminal.signal(number)
            self.finish(terminal, -number)

    def test_stop_and_continue(self):
        terminal = self.terminal(self.server())
        terminal.type(b"be")
        terminal.expect(b"be")
        # The process leads its session: its group is orphaned, and only SIGSTOP stops it.
        terminal.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED)
        termios.tcsetattr(terminal.slave, termios.TCSANOW, terminal.attributes)
        terminal.signal(signal.SIGCONT)
        terminal.expect(b"\r\x1b[J")
        terminal.expect(PROMPT + b"be")
        terminal.type(b"fore\n")
        terminal.expect(b"BEFORE\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_resize(self):
        terminal = self.terminal(self.server())
        terminal.type(b"wide")
        terminal.expect(b"wide")
        for columns in (30, 50, 70):  # more than once
            terminal.settle()
            fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            terminal.expect(b"\r\x1b[J")  # over the old one
            terminal.expect(PROMPT + b"wide")
        terminal.type(b"\n")
        terminal.expect(b"WIDE\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_terminal_goes_away(self):
        terminal = self.terminal(self.server())
        terminal.settle()
        os.close(terminal.master)
        terminal.master = os.open("/dev/null", os.O_RDONLY)
        self.assertIn(terminal.process.wait(LIMIT_S), (0, -signal.SIGHUP))

    def test_many_lines_pasted(self):
        terminal = self.terminal(self.server())
        lines = [b"line %d" % number for number in range(100)]
        threading.Thread(target=terminal.type, args=(b"\n".join(lines) + b"\n",),
                         daemon=True).start()
        for line in lines:
            terminal.expect(line.upper() + b"\r\n")
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_dumb_terminal(self):
        terminal = self.terminal(self.server(), TERM="dumb")
        terminal.type(b"plain\n")
        terminal.expect(b"PLAIN\r\n")
        terminal.expect(PROMPT)
        terminal.type(b"\x04")
        self.finish(terminal)

    def test_output_elsewhere_is_no_prompt(self):
        """With a terminal for the input alone echoc is a pipe, and the terminal edits the lines."""
        server = self.server()
        master, slave = pty.openpty()
        try:
            process = self.start("127.0.0.1", server.port, stdin=slave, stdout=subprocess.PIPE)
            os.write(master, b"typed\n\x04")
            self.assertEqual(process.communicate(timeout=LIMIT_S)[0], b"TYPED\n")
            self.assertEqual(process.returncode, 0)
        finally:
            os.close(master)
            os.close(slave)
