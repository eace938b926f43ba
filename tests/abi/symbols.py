#!/usr/bin/env python3
"""Headers, map and built library must name the same symbols.

usage: symbols.py LIBRARY MAP INCLUDE_DIR
"""
import pathlib
import re
import subprocess
import sys

# Headers of libraries of their own; all others are the core's.
LIBRARY_OF = {"crypt.h": "libaibrix-crypt", "rocksdb.h": "libaibrix-rocksdb",
              "tls.h": "libaibrix-tls", "zmq.h": "libaibrix-zmq",
              "zmq_pub.h": "libaibrix-zmq"}


def declared(include, library):
    """Functions that the library's headers declare with AIBRIX_API."""
    name = pathlib.Path(library).name.split(".")[0]
    text = "".join(p.read_text() for p in sorted(include.rglob("*.h"))
                   if LIBRARY_OF.get(p.name, "libaibrix") == name)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return set(re.findall(r"\bAIBRIX_API\b[^;#]*?\b(aibrix_\w+)\s*\(", text))


def mapped(map_file):
    return re.findall(r"^\s+(aibrix_\w+);", map_file.read_text(), re.M)


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library],
                         capture_output=True, text=True, check=True).stdout
    return {name.split("@")[0] for _, kind, name in
            map(str.split, out.splitlines()) if kind != "A"}


def main():
    library, map_file, include = sys.argv[1:]
    headers = declared(pathlib.Path(include), library)
    names = mapped(pathlib.Path(map_file))
    bad = []
    for where, seen in (("map", set(names)), ("library", exported(library))):
        bad += [f"{s}: only in {'headers' if s in headers else where}"
                for s in sorted(headers ^ seen)]
    if names != sorted(names):
        bad.append(f"{map_file}: names are not sorted")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
