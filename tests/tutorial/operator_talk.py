#!/usr/bin/env python3
"""The session with `echod --service=operator` goes as its lesson shows it.

usage: operator_talk.py ECHOD ECHOC LESSON.md
"""
import re
import subprocess
import sys

PROMPT = '>>> '
MESSAGE, REPLY = 'is anybody there?\n', 'yes, come in\n'


def session(echod, echoc):
    """What stands on both terminals in the end; ports and process ids as the page has them."""
    pipe = subprocess.PIPE
    server = subprocess.Popen([echod, '--mode=thread', '--service=operator', '--port=0'],
                              stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        said = server.stderr.readline()
        port = re.search(r':(\d+) \(', said)[1]
        server.stdin.write(REPLY)
        server.stdin.flush()
        heard = subprocess.run([echoc, '127.0.0.1', port], input=MESSAGE, stdout=pipe, text=True,
                               check=True, timeout=60).stdout
    finally:
        server.terminate()
    shown = server.communicate(timeout=60)[0]
    assert shown.endswith(PROMPT), shown
    said = re.sub(r'pid \d+', 'pid 4242', said.replace(f':{port} ', ':8888 '))
    shown = re.sub(r'^127.0.0.1:\d+:', '127.0.0.1:50412:', shown)
    return said + shown + REPLY, heard


def main(echod, echoc, lesson):
    with open(lesson, encoding='utf-8') as file:
        page = file.read()
    for text in session(echod, echoc):
        block = ''.join(f'    {line}\n' for line in text.splitlines())
        if block not in page:
            sys.exit(f'{lesson} does not show\n{block}')


main(*sys.argv[1:])
