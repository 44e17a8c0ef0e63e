#!/usr/bin/env python3
"""Make the pictures of docs/compare.md anew, from a real comparison. To be run by hand.

    pictures.py ECHOC DIRECTORY [options of echoc compare]

On a machine with nothing else to do; the table is printed as well, for the README.
"""
import html
import os
import subprocess
import sys
import tempfile

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(root, "tests", "client"))

from browser import Browser  # noqa: E402, the path has to be set first

TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
html{background:#15181d}body{margin:0;padding:18px 22px;display:inline-block}
pre{margin:0;color:#e6e8eb;font:14px/1.45 "DejaVu Sans Mono",monospace}</style><pre>%s</pre>"""
SIZE = """const box = document.body.getBoundingClientRect();
return [Math.ceil(box.width), Math.ceil(box.height)];"""


def main():
    echoc, directory, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        report, terminal = os.path.join(work, "report.html"), os.path.join(work, "terminal.html")
        command = ["compare", *options, "--html", "report.html"]
        table = subprocess.run([os.path.abspath(echoc), *command], cwd=work, check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        print(table)
        with open(terminal, "w", encoding="utf-8") as file:
            file.write(TERMINAL % html.escape(f"$ echoc {' '.join(command)}\n{table.rstrip()}"))
        browser = Browser()
        try:
            browser.show(terminal, 1200, 300)
            browser.show(terminal, *browser.run(SIZE))
            browser.picture(os.path.join(directory, "compare-terminal.png"))
            for name, width, height, scheme in (("report", 1180, 1330, "light"),
                                                ("phone", 360, 1500, "dark")):
                browser.show(report, width, height, scheme)
                browser.picture(os.path.join(directory, f"compare-{name}.png"), height)
        finally:
            browser.close()


if len(sys.argv) < 3:
    sys.exit(__doc__)
main()
