#!/usr/bin/env python3
"""Make the pictures of docs/bench.md and docs/compare.md anew, from real runs. To be run by hand.

    pictures.py ECHOC DIRECTORY [options of echoc compare]

On a machine with nothing else to do; the table is printed as well, for the README. The terminal of
`echoc bench` is tmux, which has to be installed; port 8888 has to be free.
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

TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
html{background:#15181d}body{margin:0;padding:18px 22px;display:inline-block}
pre{margin:0;color:#e6e8eb;font:14px/1.45 "DejaVu Sans Mono",monospace}</style><pre>%s</pre>"""
SIZE = """const box = document.body.getBoundingClientRect();
return [Math.ceil(box.width), Math.ceil(box.height)];"""
BENCH = "echoc bench -c 64 -r 20k -d 10s"


def picture_of_text(browser, text, work, path):
    """What a terminal shows, as a picture of its size."""
    page = os.path.join(work, "terminal.html")
    with open(page, "w", encoding="utf-8") as file:
        file.write(TERMINAL % html.escape(text.rstrip()))
    browser.show(page, 1200, 300)
    browser.show(page, *browser.run(SIZE))
    browser.picture(path)


def bench(browser, echoc, work, directory):
    """A run in the middle, with its live line, and at its end."""
    def tmux(*words):
        return subprocess.run(["tmux", "-S", os.path.join(work, "tmux"), *words], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    build = os.path.dirname(os.path.dirname(os.path.abspath(echoc)))
    server = subprocess.Popen([os.path.join(build, "server", "echod")], stderr=subprocess.DEVNULL)
    try:
        tmux("-f", "/dev/null", "new-session", "-d", "-x", "88", "-y", "40",
             f"env PATH={os.path.dirname(os.path.abspath(echoc))}:$PATH PS1='$ ' sh -i")
        try:
            time.sleep(1)
            tmux("send-keys", BENCH, "Enter")
            time.sleep(7)
            live = tmux("capture-pane", "-p")
            time.sleep(7)
            over = tmux("capture-pane", "-p").rstrip().removesuffix("$").rstrip()
        finally:
            tmux("kill-server")
        picture_of_text(browser, live, work, os.path.join(directory, "bench-live.png"))
        picture_of_text(browser, over, work, os.path.join(directory, "bench-terminal.png"))
    finally:
        server.terminate()
        server.wait()


def compare(browser, echoc, work, directory, options):
    """The table in a terminal, and the report on a desk and on a phone."""
    report = os.path.join(work, "report.html")
    command = ["compare", *options, "--html", "report.html"]
    table = subprocess.run([os.path.abspath(echoc), *command], cwd=work, check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    print(table)
    picture_of_text(browser, f"$ echoc {' '.join(command)}\n{table}", work,
                    os.path.join(directory, "compare-terminal.png"))
    for name, width, height, scheme in (("report", 1180, 1330, "light"),
                                        ("phone", 360, 1500, "dark")):
        browser.show(report, width, height, scheme)
        browser.picture(os.path.join(directory, f"compare-{name}.png"), height)


def main():
    echoc, directory, *options = sys.argv[1:]
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory() as work:
            bench(browser, echoc, work, directory)
            compare(browser, echoc, work, directory, options)
    finally:
        browser.close()


if len(sys.argv) < 3:
    sys.exit(__doc__)
main()
