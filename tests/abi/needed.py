#!/usr/bin/env python3
"""The shared library needs nothing but libc at run time.

usage: needed.py LIBRARY [MORE...]

MORE are libraries that this one needs besides, without their versions.
Optional features of the core library add their library to MAY when they
come; tests/run.sh also asks in a build without any of them.
"""
import re
import subprocess
import sys

# glibc before 2.34 kept threads and dlopen apart.
MAY = re.compile(r"lib(c|m|pthread|dl|rt|numa|uring)\.so(\.\d+)*|"
                 r"(libc\.musl-|ld-(linux|musl)-).*|ld64\.so\.\d")


def main():
    out = subprocess.run(["readelf", "-d", sys.argv[1]], capture_output=True,
                         text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\)[^\[]*\[(.*?)\]", out)
    more = set(sys.argv[2:])
    bad = [name for name in needed if not MAY.fullmatch(name) and
           re.sub(r"(\.\d+)+$", "", name) not in more]
    print("needs:", *needed)
    for name in bad:
        print(f"{sys.argv[1]}: must not need {name}")
    sys.exit(bool(bad))


main()
