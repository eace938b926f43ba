#!/usr/bin/env python3
"""Each public declaration carries its contract lines.

usage: contracts.py INCLUDE_DIR

Functions: a comment right above with "Since: <version>".  Opaque types:
"Thread: <class>" (base.h explains the classes).  Structs that begin with
size are versioned, and any other public struct says that it is frozen.
"""
import pathlib
import re
import sys

CLASSES = "any|shared|readers|confined"
COMMENT = r"/\*(?:[^*]|\*(?!/))*\*/\n"
FUNCTION = re.compile(rf"({COMMENT})?^AIBRIX_API\b[^;]*?\b(aibrix_\w+)\s*\(",
                      re.M)
OPAQUE = re.compile(rf"({COMMENT})?^typedef struct (aibrix_\w+) \2;", re.M)
STRUCT = re.compile(rf"({COMMENT})?^typedef struct (aibrix_\w+) \{{\n(.*?)^\}}",
                    re.M | re.S)


def check(path):
    text = path.read_text()
    # Blank lines part a comment from what follows: it is then not its.
    for comment, name in FUNCTION.findall(text):
        if not re.search(r"Since: \d+\.\d+\b", comment):
            yield f"{path}: {name}: no 'Since:' line right above it"
    for comment, name in OPAQUE.findall(text):
        if not re.search(rf"Thread: ({CLASSES})\b", comment):
            yield f"{path}: {name}: no 'Thread:' line with a class"
    for word in re.findall(r"Thread: (\w+)", text):
        if not re.fullmatch(CLASSES, word):
            yield f"{path}: '{word}' is no thread class"
    for comment, name, body in STRUCT.findall(text):
        versioned = re.match(r"\s*uint32_t size;", body)
        if not versioned and "Frozen: " not in comment:
            yield f"{path}: {name}: neither versioned (size) nor 'Frozen:'"


def main():
    files = sorted(pathlib.Path(sys.argv[1]).rglob("*.h"))
    bad = [b for f in files for b in check(f)]
    if not files:
        bad.append(f"{sys.argv[1]}: no headers")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
