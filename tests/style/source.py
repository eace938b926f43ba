#!/usr/bin/env python3
"""Words that must not stand in lib/, whether compiled in or not.

usage: source.py PROJECT_ROOT

archive.py asks the objects; this asks the text, so that a call behind an
#ifdef or optimised away is found too.
"""
import pathlib
import re
import sys

NEVER = """abort alloca asctime asprintf at_quick_exit atexit atof ctime
    dlopen dprintf drand48 execl execv execve exit fork fprintf fputs getenv
    gets gettimeofday gmtime localeconv localtime perror popen printf
    pthread_create putchar puts putenv quick_exit rand rand_r random scanf
    secure_getenv setenv setlocale setjmp longjmp signal sigaction sleep
    sprintf srand sscanf strcat strcpy strtod strtof strtok strtold system
    thrd_create time usleep vfprintf vprintf vsprintf _exit _Exit""".split()
# Where the one use of each stands.
ONLY = {
    "base/log.c": {"vsnprintf", "snprintf"},
    "base/alloc.c": {"malloc", "calloc", "realloc", "free",
                     "posix_memalign", "aligned_alloc"},
    "base/map.h": {"uthash"},
}
RESERVED = set().union(*ONLY.values()) - {"uthash"}
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def code(text):
    """The text without comments, strings and characters, lines kept."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|"
                  r"'(?:\\.|[^'\\\n])+'", blank, text, flags=re.S)


def check(path, name):
    text = path.read_text()
    for number, line in enumerate(code(text).splitlines(), 1):
        for word in CALL.findall(line):
            if word in NEVER or word in RESERVED - ONLY.get(name, set()):
                yield f"{path}:{number}: {word}() has no place here"
    # Strings are blanked above, angle brackets are not.
    if re.search(r"#include\s+[<\"]uthash", text) and name != "base/map.h":
        yield f"{path}: uthash is included by base/map.h only"
    if re.search(r"\b(mmintrin|immintrin|arm_neon|arm_acle)\.h", text) and \
            not re.search(r"_(x86|arm)\w*\.[ch]$|base/arch\.h$", name):
        yield f"{path}: vector headers belong in *_x86.c, *_arm.c, arch.h"


def main():
    lib = pathlib.Path(sys.argv[1]) / "lib"
    files = sorted(lib.rglob("*.[ch]"))
    bad = [b for f in files for b in check(f, str(f.relative_to(lib)))]
    if not files:
        bad.append(f"{lib}: no sources")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
