#!/usr/bin/env python3
"""Make the pictures of docs/operators-day.md anew, from a real session. To be run by hand.

    day.py ECHOD ECHOC DIRECTORY

The session is a shell's, which is given one command after the other; what it and echod write is
printed, for the page's text. Ports 8888 and 9000 have to be free.
"""
import html
import os
import subprocess
import sys
import tempfile
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(root, "tests", "client"))

from browser import Browser  # noqa: E402, the path has to be set first

CONFIG = """mode = green
workers = 2
admin = 127.0.0.1:9000
idle-timeout = 300s
drain-delay = 2s
"""
# A command, and how many seconds later all that follows from it is there.
START = [
    ("cat echod.conf", 0.2),
    ("echod --check-config --config echod.conf", 0.3),
    ("echod --config echod.conf --pidfile echod.pid &", 1),
    ("echoc -e 'good morning'; echo", 0.3),
    ("curl -s 127.0.0.1:9000/readyz", 0.3),
    ("kill -9 $(pgrep -P $(cat echod.pid) | tail -n 1)", 0.5),
    ("echoc bench -c 32 -r 20000 --churn=500 -d 45s --quiet --json load.json &", 25),
    ("curl -s 127.0.0.1:9000/metrics | grep -E '^echod_(connections|messages_total|workers)'", 0.3),
]
CHANGE = [
    ("sed -i s/300s/60s/ echod.conf && kill -HUP $(cat echod.pid)", 0.5),
    ("kill -TTIN $(cat echod.pid)", 1),
    ("kill -USR2 $(cat echod.pid)", 4),
    ("wait %2; jq -c '.elapsed_s, .messages_per_second, .errors' load.json", 20),
    ("kill -TERM $(cat echod.pid); curl -s 127.0.0.1:9000/readyz", 4),
]
TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
html{background:#15181d}body{margin:0;padding:18px 22px;display:inline-block}
b{color:#8fd0ff;font-weight:normal}
pre{margin:0;color:#e6e8eb;font:13px/1.4 "DejaVu Sans Mono",monospace}</style><pre>%s</pre>"""
SIZE = """const box = document.body.getBoundingClientRect();
return [Math.ceil(box.width), Math.ceil(box.height)];"""


class Shell:
    """A shell in a directory, and all that is written there, as a terminal would show it."""

    def __init__(self, directory, programs):
        self.said = open(os.path.join(directory, "said"), "a+b")
        path = ":".join([*programs, os.environ["PATH"]])
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=self.said,
                                        stderr=self.said, cwd=directory,
                                        env=dict(os.environ, PATH=path))

    def type(self, command, seconds):
        self.said.write(f"$ {command}\n".encode())
        self.said.flush()
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        time.sleep(seconds)

    def text(self):
        size = os.fstat(self.said.fileno()).st_size
        return os.pread(self.said.fileno(), size, 0).decode().rstrip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.said.close()


def picture_of_text(browser, text, work, path):
    page = os.path.join(work, "terminal.html")
    lines = [f"<b>{html.escape(line)}</b>" if line.startswith("$ ") else html.escape(line)
             for line in text.split("\n")]
    with open(page, "w", encoding="utf-8") as file:
        file.write(TERMINAL % "\n".join(lines))
    browser.show(page, 1200, 300)
    browser.show(page, *browser.run(SIZE))
    browser.picture(path)


def main():
    echod, echoc, directory = sys.argv[1:]
    programs = [os.path.dirname(os.path.abspath(program)) for program in (echod, echoc)]
    with tempfile.TemporaryDirectory() as work:
        with open(os.path.join(work, "echod.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG)
        shell, browser = Shell(work, programs), Browser()
        try:
            for command, seconds in START:
                shell.type(command, seconds)
            browser.devtools("Emulation.setDeviceMetricsOverride", width=1180, height=1000,
                             deviceScaleFactor=1, mobile=False)
            browser.call("POST", browser.session + "/url", {"url": "http://127.0.0.1:9000/"})
            time.sleep(2)
            browser.picture(os.path.join(directory, "day-page.png"), 1000)
            for command, seconds in CHANGE:
                shell.type(command, seconds)
            picture_of_text(browser, shell.text(), work, os.path.join(directory, "day-terminal.png"))
            print(shell.text())
        finally:
            browser.close()
            shell.close()


if len(sys.argv) != 4:
    sys.exit(__doc__)
main()
