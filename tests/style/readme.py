#!/usr/bin/env python3
"""The C in README.md compiles as it stands there.

usage: readme.py PROJECT_ROOT -- CC...
"""
import pathlib
import re
import subprocess
import sys


def main():
    root = pathlib.Path(sys.argv[1])
    compiler = sys.argv[sys.argv.index("--") + 1:]
    blocks = re.findall(r"^```c\n(.*?)^```", (root / "README.md").read_text(),
                        re.M | re.S)
    if not blocks:
        sys.exit("README.md: no example")
    for block in blocks:
        done = subprocess.run([*compiler, "-std=c11", "-Wall", "-Wextra",
                               "-Werror", "-fsyntax-only", "-x", "c", "-I",
                               root / "include", "-"], input=block, text=True)
        if done.returncode:
            sys.exit("README.md: an example does not compile")


main()
