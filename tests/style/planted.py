#!/usr/bin/env python3
"""Each style check finds a planted fault, and is silent without it.

usage: planted.py PROJECT_ROOT ARCHIVE LIBRARY -- CC...

Speaks TAP.  Every case takes something clean, asks the checker (which must
be silent), plants one fault and asks again (which must fail).
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1])
ARCHIVE, LIBRARY = sys.argv[2:4]
CC = sys.argv[sys.argv.index("--") + 1:]
STYLE = ROOT / "tests" / "style"
CASES = []


def case(function):
    CASES.append(function)
    return function


def passes(*args):
    return subprocess.run([str(a) for a in args], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def script(name, *args):
    return passes(sys.executable, STYLE / name, *args)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="")
    return path


def finds(check, path, *faulty):
    """check() passes as things are, and fails for each faulty text."""
    clean = path.read_text() if path.exists() else None
    if not check():
        return "fails on clean input"
    for text in faulty:
        write(path, text)
        if check():
            return f"misses {text[:60]!r}"
    if clean is None:
        path.unlink()
    else:
        write(path, clean)
    return None if check() else "fails after the fault is gone"


# ---- trees of text

@case
def layers_finds_a_call_up(dir):
    write(dir / "lib/hash/hash.c", '#include "base/alloc.h"\n')
    write(dir / "include/aibrix/hash.h", "#include <aibrix/base.h>\n")
    return finds(lambda: script("layers.py", dir), dir / "lib/hash/more.c",
                 '#include "cache/cache_internal.h"\n',
                 "#include <aibrix/route.h>\n")


@case
def layers_finds_another_modules_private_header(dir):
    write(dir / "lib/evict/evict_internal.h", "")
    return finds(lambda: script("layers.py", dir), dir / "lib/cache/cache.c",
                 '#include "evict/evict_internal.h"\n')


@case
def layers_finds_a_module_that_is_not_in_the_table(dir):
    write(dir / "lib/base/alloc.c", "")
    return finds(lambda: script("layers.py", dir), dir / "lib/utils/utils.c",
                 "\n")


@case
def layers_finds_a_page_that_shows_another_table(dir):
    page = dir / "doc" / "ARCHITECTURE.md"
    text = (ROOT / "doc" / "ARCHITECTURE.md").read_text()
    write(page, text)
    return finds(lambda: script("layers.py", dir), page,
                 text.replace("| route | fleet |", "| route | index |"),
                 text.replace("| index | hash |", "| other | hash |"))


@case
def source_finds_each_kind_of_forbidden_word(dir):
    write(dir / "lib/base/log.c", "int f(void) { return vsnprintf(0); }\n"
          '/* getenv(x) */ const char *t = "abort()";\n'
          "void g(struct a *a) { a->free(a); my_time(1); }\n")
    return finds(lambda: script("source.py", dir), dir / "lib/hash/hash.c",
                 *[f"int f(void)\n{{\n\treturn {word}(x);\n}}\n" for word in
                   "getenv printf puts exit abort time rand strtod malloc "
                   "calloc realloc free pthread_create snprintf".split()],
                 "#include <uthash.h>\n", "#include <immintrin.h>\n")


HEADER = """/*
 * What it does.
 *
 * Thread: shared.
 */
typedef struct aibrix_thing aibrix_thing;

/* Frozen: 8 bytes. */
typedef struct aibrix_value {
\tuint64_t n;
} aibrix_value;

typedef struct aibrix_thing_opts {
\tuint32_t size;
} aibrix_thing_opts;

/* Release.  Since: 0.1. */
AIBRIX_API void aibrix_thing_free(aibrix_thing *thing);
"""


@case
def contracts_finds_each_missing_line(dir):
    path = write(dir / "thing.h", HEADER)
    return finds(lambda: script("contracts.py", dir), path,
                 HEADER.replace("Since: 0.1.", ""),
                 HEADER.replace("Since: 0.1. */", "Since: 0.1. */\n"),
                 HEADER.replace("Thread: shared", ""),
                 HEADER.replace("Thread: shared", "Thread: careful"),
                 HEADER.replace("Frozen:", ""),
                 HEADER.replace("uint32_t size;", "uint64_t a;"))


@case
def hygiene_finds_each_kind_of_dirt(dir):
    shutil.copy(ROOT / "LICENSE", dir)
    path = write(dir / "lib/a.c", "int x;\n")
    unfinished = "TO" "DO"  # this file is checked too
    return finds(lambda: script("hygiene.py", dir), path,
                 "int x; \n", "int x;\t\n", "int x;\r\n", "int x;", "x;\n\n",
                 "        int x;\n", "\t  \tint x;\n", f"/* {'x' * 80} */\n",
                 "/* \u00e9 */\n", "/* \u200b */\n", f"/* {unfinished} */\n",
                 "/* SPDX-License-Id" "entifier: MIT */\n")


@case
def hygiene_finds_an_executable_that_is_no_script(dir):
    shutil.copy(ROOT / "LICENSE", dir)
    path = write(dir / "a.c", "int x;\n")
    if not script("hygiene.py", dir):
        return "fails on clean input"
    path.chmod(0o755)
    return "misses the mode" if script("hygiene.py", dir) else None


@case
def hygiene_finds_a_cut_licence(dir):
    path = dir / "LICENSE"
    shutil.copy(ROOT / "LICENSE", path)
    return finds(lambda: script("hygiene.py", dir), path,
                 path.read_text()[:2000])


@case
def named_finds_a_test_that_is_not_there(dir):
    write(dir / "tests" / "unit" / "test_thing.c", "Test(thing, a_rule)\n")
    page = write(dir / "doc" / "THINGS.md", "| 1 | `test_thing`: a_rule |\n")
    return finds(lambda: script("named.py", dir), page,
                 "| 1 | `test_thing`: another_rule |\n",
                 "| 1 | `test_thing`: a_rule, a_rul |\n",
                 "| 1 | `test_things`: a_rule |\n", "no table\n")


@case
def clang_format_finds_other_layout(dir):
    if subprocess.run([sys.executable, STYLE / "format.py", ROOT],
                      stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode == 77:
        return None
    shutil.copy(ROOT / ".clang-format", dir)
    path = write(dir / "lib/a.c", "int x;\n")
    return finds(lambda: script("format.py", dir), path, "int   x;\n",
                 "int f(void) { return 1; }\n")


# ---- objects

def archive_of(dir, source, name="hash_more"):
    """A new archive of one object that source gives."""
    write(dir / f"{name}.c", source)
    if not passes(*CC, "-O1", "-w", "-fPIC", "-c", dir / f"{name}.c", "-o",
                  dir / f"{name}.c.o"):
        raise RuntimeError("the planted source does not compile")
    archive = dir / "lib.a"
    archive.unlink(missing_ok=True)
    if not passes("ar", "rcs", archive, dir / f"{name}.c.o"):
        raise RuntimeError("ar failed")
    return archive


def object_case(what, clean, faulty):
    def run(dir):
        if not script("archive.py", what, ARCHIVE):
            return "fails on the library"
        if not script("archive.py", what, archive_of(dir, clean)):
            return "fails on clean input"
        for source in faulty:
            if script("archive.py", what, archive_of(dir, source)):
                return f"misses {source!r}"
        return None
    return run


case(object_case(
    "names", "int aibrix__f(void) { return 1; } static int x(void);",
    ["int f(void) { return 1; }", "const int table[] = {1, 2};"]))
CASES[-1].__name__ = "names_finds_a_name_without_the_prefix"

case(object_case(
    "statics", "extern int e; int *const t[] = {&e}; const int c = 1;",
    ["static int n; int f(void) { return ++n; }",
     "int n = 3;", "_Thread_local int n;", "_Thread_local int n = 4;",
     "extern int e; int *t[] = {&e};"]))
CASES[-1].__name__ = "statics_finds_each_kind_of_writable_static"

case(object_case(
    "calls", "void *memcpy(); void *f(void *a) { return memcpy(a, a, 1); }",
    [f"int {word}(); int f(int x) {{ return {word}(x) + 1; }}" for word in
     "getenv puts exit abort time rand strtod malloc free pthread_create "
     "open mmap clock_gettime vsnprintf __printf_chk open64".split()]))
CASES[-1].__name__ = "calls_finds_what_a_module_may_not_call"


@case
def calls_lets_the_files_that_own_a_call_make_it(dir):
    source = "int open(); int f(int x) { return open(x) + 1; }"
    own = archive_of(dir, source, "store_file")
    if not script("archive.py", "calls", own):
        return "refuses open() in store"
    source = "int vsnprintf(); int f(int x) { return vsnprintf(x) + 1; }"
    if not script("archive.py", "calls",
                  archive_of(dir, source, "base_log")):
        return "refuses vsnprintf() in base/log.c"
    if script("archive.py", "calls", archive_of(dir, source, "base_json")):
        return "accepts vsnprintf() in base/json.c"
    return None


# ---- interface

def headers_in(dir):
    shutil.copytree(ROOT / "include", dir / "include")
    return dir / "include"


@case
def symbols_finds_what_headers_or_map_lack(dir):
    include = headers_in(dir)
    names = dir / "lib.map"
    shutil.copy(ROOT / "lib" / "libaibrix.map", names)
    text = names.read_text()

    def check():
        return passes(sys.executable, ROOT / "tests/abi/symbols.py", LIBRARY,
                      names, include)
    more = include / "aibrix" / "more.h"
    return finds(check, names,
                 text.replace("\taibrix_version;\n", ""),
                 text.replace("local:", "\taibrix_zzz;\nlocal:"),
                 text.replace("global:\n", "global:\n\taibrix_version;\n")) \
        or finds(check, more, "AIBRIX_API int aibrix_more(void);\n")


@case
def needed_finds_a_library_beyond_libc(dir):
    check = [sys.executable, ROOT / "tests/abi/needed.py"]
    write(dir / "a.c", "int aibrix_a(void) { return 1; }\n")
    for flags, good in (([], True), (["-Wl,--no-as-needed", "-ldl",
                                      "-lpthread"], True)):
        if not passes(*CC, "-shared", "-fPIC", dir / "a.c", "-o",
                      dir / "a.so", *flags):
            return "the planted library does not link"
        if passes(*check, dir / "a.so") != good:
            return f"wrong about {flags}"
    write(dir / "b.c", "int aibrix_b(void) { return 1; }\n")
    if not passes(*CC, "-shared", "-fPIC", dir / "b.c", "-o",
                  dir / "libother.so") or \
            not passes(*CC, "-shared", "-fPIC", dir / "a.c", "-o",
                       dir / "a.so", "-Wl,--no-as-needed", "-L", dir,
                       "-lother"):
        return "the planted library does not link"
    return "misses libother.so" if passes(*check, dir / "a.so") else None


def compiles(source, include, *flags):
    return passes(*CC, "-std=c11", "-fsyntax-only", "-w", "-I", include,
                  *flags, source)


@case
def frozen_finds_swapped_fields_and_renumbered_values(dir):
    include = headers_in(dir)
    base = include / "aibrix" / "base.h"
    text = base.read_text()
    swapped = text.replace("\tvoid *ctx;\n\tvoid *(*alloc)",
                           "\tvoid *(*alloc)").replace(
        "\tvoid (*free)(void *ctx, void *ptr, size_t bytes);\n",
        "\tvoid (*free)(void *ctx, void *ptr, size_t bytes);\n\tvoid *ctx;\n")
    return finds(lambda: compiles(ROOT / "tests/abi/frozen.c", include), base,
                 swapped, text.replace("AIBRIX_E_FULL = -5",
                                       "AIBRIX_E_FULL = -50"))


@case
def headers_finds_one_that_needs_another(dir):
    include = headers_in(dir)
    base = include / "aibrix" / "base.h"
    text = base.read_text()
    alone = write(dir / "alone.c", "#include <aibrix/base.h>\n" * 2)
    return finds(lambda: compiles(alone, include), base,
                 text.replace("#include <stdint.h>\n", "").replace(
                     "#include <stddef.h>\n", ""),
                 text.replace("#ifndef AIBRIX_BASE_H\n", "#if 1\n"))


@case
def headers_finds_implicit_padding(dir):
    include = headers_in(dir)
    base = include / "aibrix" / "base.h"
    text = base.read_text()
    alone = write(dir / "alone.c", "#include <aibrix/base.h>\n")

    def check():
        return passes(*CC, "-std=c11", "-fsyntax-only", "-Wpadded",
                      "-Werror", "-I", include, alone)
    return finds(check, base, text.replace(
        "\tuint32_t flags; /* must be 0 */\n", ""))


# ---- the sum of it all

@case
def tally_finds_failures_crashes_and_unexpected_skips(dir):
    skips = write(dir / "expected_skips", "known  # why\n")
    log = dir / "testlog.json"

    def line(result, stdout="", name="libaibrix:unit / other"):
        return json.dumps({"name": name, "result": result,
                           "stdout": stdout}) + "\n"
    good = line("OK", "TAP version 13\n1..2\nok - a::b (0.0s)\nok 2 - c\n")
    write(log, good + line("SKIP", name="libaibrix:style / known"))

    def last():
        return subprocess.run(
            [sys.executable, ROOT / "tests/tally.py", skips, log],
            capture_output=True, text=True).stdout.splitlines()[-1]
    if last() != "2 passed, 0 failed, 1 skipped":
        return last()
    crash = "TAP version 13\n1..2\nok - a::b (0.0s)\n"
    write(log, good + line("ERROR", crash))
    if last() != "3 passed, 1 failed, 0 skipped":
        return last()
    return finds(lambda: passes(sys.executable, ROOT / "tests/tally.py",
                                skips, log), write(log, good),
                 good + line("FAIL"), good + line("TIMEOUT"),
                 good + line("SKIP"), good + line("ERROR", crash), "",
                 good + line("FAIL", "TAP version 13\n1..1\nnot ok - a\n"),
                 good + line("OK", "TAP version 13\n1..1\nok - a # SKIP\n"))


def main():
    failures = 0
    print(f"TAP version 13\n1..{len(CASES)}")
    for number, run in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory() as dir:
            problem = run(pathlib.Path(dir))
        failures += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {number} - {run.__name__}")
        if problem:
            print(f"# {problem}")
    sys.exit(bool(failures))


main()
