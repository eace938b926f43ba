#!/usr/bin/env python3
"""Tests that a page names in a table exist.

usage: named.py PROJECT_ROOT

A row says `program`: name, name; `program`.  The program is a file of tests/
or examples/, and holds each name.
"""
import pathlib
import re
import sys


def sources(root):
    """Each test program's text, by the name of its file without ending."""
    found = {}
    for path in sorted((root / "tests").rglob("*")):
        if path.suffix in (".c", ".py"):
            found[path.stem] = path.read_text()
    found["replay"] = found.get("test_replay")
    return found


def claims(page):
    """What the rows of the page's tables say: program and names."""
    for row in re.findall(r"^\|.*\|$", page, re.M):
        for program, names in re.findall(
                r"`((?:test|golden|model|oom|stress|fuzz)_\w+|replay)`"
                r"(?:: ((?:\w+)(?:, \w+)*))?", row):
            yield program, names.split(", ") if names else []


def main():
    root = pathlib.Path(sys.argv[1])
    programs, wrong, seen = sources(root), [], 0
    pages = [*root.glob("doc/*.md"), *root.glob("doc/modules/*.md")]
    for page in sorted(pages):
        for program, names in claims(page.read_text()):
            if program.startswith("fuzz_"):
                text = root / "fuzz" / (program + ".c")
                text = text.read_text() if text.exists() else None
            else:
                text = programs.get(program)
            if text is None:
                wrong.append(f"{page.name}: no program {program}")
                continue
            seen += 1
            wrong += [f"{page.name}: {program} has no {name}"
                      for name in names
                      if not re.search(rf"\b{name}\b", text)]
    if wrong or not seen:
        sys.exit("\n".join(wrong) or "no page names a test")


main()
