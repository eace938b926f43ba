#!/usr/bin/env python3
"""clang-format 14 would change nothing in our C.

usage: format.py PROJECT_ROOT [CLANG_FORMAT]

Public headers are left out: their declarations and comments are set by
hand for reading.  Skipped without version 14, since versions disagree.
"""
import pathlib
import re
import subprocess
import sys

import tracked

SKIPPED = 77


def version(program):
    try:
        out = subprocess.run([program, "--version"], capture_output=True,
                             text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "none"
    found = re.search(r"version (\d+)", out)
    return found[1] if found else "none"


def main():
    root = pathlib.Path(sys.argv[1])
    program = sys.argv[2] if len(sys.argv) > 2 else "clang-format"
    if version(program) != "14":
        print(f"clang-format 14 wanted, found: {version(program)}")
        sys.exit(SKIPPED)
    files = [str(path) for name, path in tracked.text_files(root)
             if path.suffix in (".c", ".h") and
             not name.startswith("include/") and
             not tracked.WRITTEN.fullmatch(name)]
    style = f"--style=file:{root.resolve() / '.clang-format'}"
    out = subprocess.run([program, "--dry-run", style, *files],
                         capture_output=True, text=True).stderr
    bad = sorted({line.split(":")[0] for line in out.splitlines()
                  if ": warning: " in line or ": error: " in line})
    print("\n".join(f"{f}: not as clang-format would have it" for f in bad))
    sys.exit(bool(bad) or not files)


main()
