#!/usr/bin/env python3
"""Name files and functions that have grown long.  Never fails.

usage: sizes.py PROJECT_ROOT
"""
import re
import sys

import tracked

FILE_LINES, FUNCTION_LINES = 500, 80
NAME = re.compile(r"^(\w+)\(")


def functions(lines):
    """(name, length): a definition's name and braces begin their lines."""
    name, start = None, None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and name and start:
            yield name, number - start - 1
            name, start = None, None
        elif start is None and NAME.match(line):
            name = NAME.match(line)[1]
        elif start is None and line.endswith(";"):
            name = None  # a declaration


def main():
    for name, path in tracked.text_files(sys.argv[1]):
        if path.suffix not in (".c", ".h"):
            continue
        lines = path.read_text().splitlines()
        if len(lines) > FILE_LINES:
            print(f"{name}: {len(lines)} lines")
        for function, length in functions(lines):
            if length > FUNCTION_LINES:
                print(f"{name}: {function}: {length} lines")


main()
