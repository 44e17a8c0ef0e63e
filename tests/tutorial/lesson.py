#!/usr/bin/env python3
"""Lessons tell the truth: a lesson's program prints what the lesson shows.

usage: lesson.py PROGRAM LESSON.c [NEEDS]...
                                      run it; its output, its page and its length are looked at
       lesson.py --contents FOLDER NAME...
                                      the contents page names each lesson, and each is tested;
                                      what its table says of a lesson is found in its program
       lesson.py --fill LESSON.md...  put programs and outputs into their pages

Beside LESSON.c are LESSON.out, what it prints, LESSON.md, the page that shows both, and LESSON.in,
what it reads, if it reads. In LESSON.out, <0.25> stands for any number, <name> for any word.
"""
import os
import re
import subprocess
import sys

LINES_MAX = 60
WILDCARD = re.compile(r' *<([^<>\n]+)>')
BLOCKS = re.compile(r'^```(c|text)\n(.*?)^```$', re.S | re.M)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def pattern(expected):
    """The regular expression for what may be printed."""
    parts = []
    end = 0
    for found in WILDCARD.finditer(expected):
        parts.append(re.escape(expected[end:found.start()]))
        number = re.fullmatch(r'-?[\d.]+', found[1].strip())
        parts.append(r' *-?\d+(?:\.\d+)?' if number else r' *\S+')
        end = found.end()
    return ''.join(parts) + re.escape(expected[end:])


def run(program, stem):
    """What the program prints."""
    text = read(f'{stem}.in') if os.path.exists(f'{stem}.in') else ''
    wrap = os.environ.get('GREEN_WRAP', '').split()
    ended = subprocess.run([*wrap, program], input=text, capture_output=True, text=True, timeout=100)
    if ended.returncode != 0 or ended.stderr:
        sys.exit(f'{program} ended with {ended.returncode}: {ended.stdout}{ended.stderr}')
    return ended.stdout


def blocks(page):
    """The first program and the first output that a page shows."""
    shown = {}
    for kind, content in BLOCKS.findall(page):
        shown.setdefault(kind, content)
    return shown


def check(program, source):
    stem = source.removesuffix('.c')
    code, expected = read(source), read(f'{stem}.out')
    printed = run(program, stem)
    if not re.fullmatch(pattern(expected), printed):
        sys.exit(f'{program} printed\n{printed}\nand not\n{expected}')
    if code.count('\n') > LINES_MAX:
        sys.exit(f'{source} has more than {LINES_MAX} lines')
    if blocks(read(f'{stem}.md')) != {'c': code, 'text': expected}:
        sys.exit(f'{stem}.md does not show the program and its output as they are')


def check_rows(folder, table):
    """Each row of the table names what its lessons' programs use."""
    rows = re.findall(r'^\| ([^|]+) \| (\[[^|]+) \| (`[^|]+) \|$', table, re.M)
    for title, links, names in rows:
        lessons = re.findall(r'\[(\d+)\]\((\d\d)(-[a-z-]+)\.md\)', links)
        programs = ''.join(read(f'{folder}/{number}{name}.c') for _, number, name in lessons)
        wrong = [shown for shown, number, _ in lessons if int(shown) != int(number)]
        absent = [name for name in re.findall(r'`(\w+)`', names)
                  if not re.search(rf'\b{name}\b', programs)]
        if not lessons or wrong or absent:
            sys.exit(f'"{title}": lessons {links} do not use {absent}, or are not {wrong}')
    if len(rows) != table.count('\n| ') - 2:  # those of its head
        sys.exit('the table has a row that is not: title | lessons | names')


def check_contents(folder, tested):
    contents, table = read(f'{folder}/README.md').split('## From the Python lessons')
    check_rows(folder, table)
    linked = re.findall(r'\]\((\d\d-[a-z-]+)\.md\)', contents)
    written = sorted(name[:-2] for name in os.listdir(folder) if name.endswith('.c'))
    if not linked == sorted(tested) == written:
        sys.exit(f'not the same:\nlinked {linked}\ntested {sorted(tested)}\nwritten {written}')


def fill(page):
    stem = page.removesuffix('.md')
    content = {'c': read(f'{stem}.c'), 'text': read(f'{stem}.out')}
    filled = BLOCKS.sub(lambda found: f'```{found[1]}\n{content.pop(found[1], found[2])}```',
                        read(page))
    with open(page, 'w', encoding='utf-8') as file:
        file.write(filled)


def main(arguments):
    if arguments[0] == '--fill':
        for page in arguments[1:]:
            fill(page)
    elif arguments[0] == '--contents':
        check_contents(arguments[1], arguments[2:])
    else:
        check(*arguments[:2])


main(sys.argv[1:])
