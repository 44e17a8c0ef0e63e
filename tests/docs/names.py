#!/usr/bin/env python3
"""What the documents call by a name of the library's is declared in a public header.

usage: names.py PROJECT-ROOT
"""
import glob
import re
import sys


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def main(root):
    declared = set()
    for header in glob.glob(f'{root}/lib/include/**/*.h', recursive=True):
        declared.update(re.findall(r'\bgreen_[a-z0-9_]*[a-z0-9]', read(header)))
    unknown = []
    pages = [*glob.glob(f'{root}/docs/**/*.md', recursive=True), *glob.glob(f'{root}/*.md')]
    assert len(pages) > 50, 'the documents have moved'
    for page in pages:
        for name in re.findall(r'`(green_[a-z0-9_]*[a-z0-9])', read(page)):
            if name not in declared and '__' not in name:
                unknown.append(f'{page}: {name}')
    if unknown:
        sys.exit('no public header declares\n' + '\n'.join(sorted(set(unknown))))


main(*sys.argv[1:])
