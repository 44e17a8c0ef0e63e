#!/usr/bin/env python3
"""What echoc promises, tested from outside.

    test_echoc.py ECHOC [ECHOD [FAULTY SCHEMA]] [unittest options]

Servers that misbehave are threads of this program; the well-behaved one is ECHOD when it is given,
and else a thread too. GREEN_STRESS=small makes the large transfer smaller.
"""
import os
import sys
import unittest

from cases_bench import *
from cases_command import *
from cases_compare import *
from cases_faults import *
from cases_output import *
from cases_pipe import *
from cases_prompt import *
from cases_tls import *
from support import Programs

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    Programs.echoc = os.path.abspath(sys.argv.pop(1))
    if len(sys.argv) > 1 and "/" in sys.argv[1]:
        Programs.echod = os.path.abspath(sys.argv.pop(1))
    if len(sys.argv) > 2 and "/" in sys.argv[1]:
        Programs.faulty = os.path.abspath(sys.argv.pop(1))
        Programs.schema = os.path.abspath(sys.argv.pop(1))
    for program in (Programs.echoc, Programs.echod):
        if program is not None and not os.access(program, os.X_OK):
            sys.exit(f"test_echoc.py: {program} is no program")
    unittest.main()
