#!/usr/bin/env python3
"""The README tells the truth: its handler is the real one, its commands print what it shows."""

import re
import subprocess
import sys

root, echod, echoc = sys.argv[1:]
readme = open(f"{root}/README.md", encoding="utf-8").read()


def check_handler():
    """The code under a comment `FILE: FUNCTION` is that function, to the letter."""
    blocks = re.findall(r"<!-- (\S+): (\w+) -->\n```c\n(.*?)```", readme, re.S)
    assert blocks, "there is no handler in the README"
    for path, function, code in blocks:
        assert re.search(rf"^{function}\(", code, re.M), f"the block is not {function}()"
        source = open(f"{root}/{path}", encoding="utf-8").read()
        assert code in source, f"{function}() in the README is not what {path} has"


def shown(command):
    """What the README shows that a command prints."""
    match = re.search(rf"^    \$ {re.escape(command)}\n((?:    (?!\$).*\n)+)", readme, re.M)
    assert match, f"the README does not show `{command}`"
    return re.sub(r"^    ", "", match[1], flags=re.M)


def check_commands():
    server = subprocess.Popen([echod, "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        line = server.stderr.readline()
        port = re.search(r":(\d+) \(", line)[1]
        expected = shown("./dev run")
        said = re.sub(r"pid \d+", "pid 4242", line.replace(f":{port} ", ":8888 "))
        assert said == expected, f"echod says {said!r}, the README {expected!r}"

        message = "hello, straße"
        printed = subprocess.run([echoc, "-e", message, "127.0.0.1", port], check=True,
                                 capture_output=True, text=True, timeout=20).stdout
        expected = shown(f"build/client/echoc -e '{message}'")
        assert printed == expected.rstrip("\n"), (printed, expected)

        printed = subprocess.run([echoc, "127.0.0.1", port], check=True, input="ça va?\n",
                                 capture_output=True, text=True, timeout=20).stdout
        expected = shown("printf 'ça va?\\n' | build/client/echoc")
        assert printed == expected, (printed, expected)
    finally:
        server.terminate()
        assert server.wait(20) == 0


def check_links():
    import os
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert os.path.exists(f"{root}/{target}"), f"the README links to {target}, which is not there"


check_handler()
check_commands()
check_links()
print("README: the handler, the commands and the links are as they say")
