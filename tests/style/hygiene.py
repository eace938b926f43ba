#!/usr/bin/env python3
"""Text as every editor and every diff likes it.

usage: hygiene.py PROJECT_ROOT

No carriage returns, trailing blanks, invisible characters or missing last
newline; C in tabs and 80 columns; code in ASCII; scripts alone executable;
no word that says "unfinished"; one licence.
"""
import os
import re
import stat
import sys

import tracked

CODE = {".c", ".h", ".cc", ".in", ".py", ".sh", ".map", ".build"}
C = {".c", ".h", ".cc"}
LONG = "longer than 80 columns"
# Spelt so that this file may be checked too.
STUB = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
INVISIBLE = re.compile("[\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
FOREIGN = re.compile(r"SPDX-License-Id" r"entifier: (?!Apache-2\.0\b)|"
                     r"GNU (Lesser |Library )?General Pub" r"lic|"
                     r"All rights re" r"served")


def check_line(line, suffix):
    if line.endswith("\r"):
        yield "carriage return"
    if re.search(r"[ \t]$", line.rstrip("\r")):
        yield "trailing blank"
    if INVISIBLE.search(line):
        yield "invisible character"
    if suffix in CODE and not line.isascii():
        yield "not ASCII"
    if suffix in C and re.match(r" {8}|\t* +\t", line):
        yield "blanks where a tab belongs"
    if suffix in C and len(line.expandtabs(8)) > 80:
        yield LONG
    if suffix in {".py", ".build"} and "\t" in line:
        yield "tab"
    if STUB.search(line):
        yield "unfinished: " + STUB.search(line)[0]
    if FOREIGN.search(line):
        yield "foreign licence"


def check(name, path):
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        yield f"{name}: not UTF-8"
        return
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"
    if text.endswith("\n\n"):
        yield f"{name}: blank line at the end"
    if path.name != "LICENSE":
        for number, line in enumerate(text.split("\n"), 1):
            for what in check_line(line, path.suffix):
                if not (what == LONG and tracked.WRITTEN.fullmatch(name)):
                    yield f"{name}:{number}: {what}"
    runs = bool(os.stat(path).st_mode & stat.S_IXUSR)
    if runs and not text.startswith("#!"):
        yield f"{name}: executable, but no script"


def licence(root):
    path = os.path.join(root, "LICENSE")
    text = open(path).read() if os.path.exists(path) else ""
    if not re.search(r"Apache License\s+Version 2\.0, January 2004", text) or \
            "END OF TERMS AND CONDITIONS" not in text:
        yield "LICENSE: not the whole Apache License 2.0"


def main():
    files = list(tracked.text_files(sys.argv[1]))
    bad = [b for name, path in files for b in check(name, path)]
    bad += licence(sys.argv[1])
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
