#!/usr/bin/env python3
"""Every public header goes through cffi's parser and means there what it
means to the C compiler.

usage: test_cffi.py LIBRARY INCLUDE_DIR -- CC...

Sizes, offsets and constants that cffi derives are compared with those of a
compiled C program; each declared function is looked up in the library.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import tap

try:
    import cffi
except ImportError as reason:
    tap.skip(str(reason))

LIBRARY, INCLUDE = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
CC = sys.argv[sys.argv.index("--") + 1:]
# Of libraries of their own: parsed, but not looked up in the core.
OTHERS = {"crypt.h", "rocksdb.h", "tls.h", "zmq.h", "zmq_pub.h"}
HEADERS = sorted(p.name for p in (INCLUDE / "aibrix").glob("*.h"))


def preprocessed(header):
    """Our own lines of a header after the preprocessor, with a set of the
    files they came from."""
    text = subprocess.run([*CC, "-E", "-std=c11", "-I", INCLUDE, "-"],
                          input=f"#include <aibrix/{header}>\n",
                          capture_output=True, text=True, check=True).stdout
    lines, files, ours = [], set(), False
    for line in text.splitlines():
        mark = re.match(r'# \d+ "(.*?)"', line)
        if mark:
            path = pathlib.Path(mark[1])
            ours = INCLUDE in path.resolve().parents
            if ours:
                files.add(path.name)
        elif ours:
            lines.append(line)
    return without_attributes("\n".join(lines)), files


def without_attributes(text):
    """cffi's parser knows no __attribute__((...))."""
    return re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", "", text)


def parsed(text):
    ffi = cffi.FFI()
    ffi.cdef(text)
    return ffi


TEXT, FILES = preprocessed("aibrix.h")


def structs(ffi):
    """name -> fields of each struct that is defined in the headers."""
    found = {}
    for name in ffi.list_types()[0]:
        kind = ffi.typeof(name)
        if kind.kind == "struct" and kind.fields is not None:
            found[name] = [field for field, _ in kind.fields]
    return found


def constants():
    enums = re.findall(r"\benum\b[^{;]*\{(.*?)\}", TEXT, re.S)
    return sorted({name for body in enums for name in
                   re.findall(r"\b(AIBRIX_\w+)\s*(?==|,|$)", body, re.M)
                   if re.search(rf"\b{name}\s*=", body)})


def compiled(questions):
    """Numbers that a C program gives for expressions."""
    source = "#include <stdio.h>\n#include <aibrix/aibrix.h>\nint main(void)" \
        "\n{\n" + "".join(f'\tprintf("%lld\\n", (long long)({q}));\n'
                          for q in questions) + "\treturn 0;\n}\n"
    with tempfile.TemporaryDirectory() as dir:
        program = pathlib.Path(dir) / "ask"
        (pathlib.Path(dir) / "ask.c").write_text(source)
        subprocess.run([*CC, "-std=c11", "-I", INCLUDE, f"{program}.c", "-o",
                        program], check=True)
        out = subprocess.run([program], capture_output=True, text=True,
                             check=True).stdout
    return [int(line) for line in out.split()]


def compare(questions, answers):
    assert questions, "nothing to compare"
    wrong = [f"{q}: C has {c}, cffi {ours}" for q, c, ours in
             zip(questions, compiled(questions), answers) if c != ours]
    assert not wrong, "\n".join(wrong)


def every_header_is_included_by_aibrix_h():
    assert FILES | OTHERS == set(HEADERS), FILES ^ set(HEADERS)
    assert not FILES & OTHERS


def every_header_parses_alone():
    for header in HEADERS:
        parsed(preprocessed(header)[0])


def sizes_and_offsets_are_the_compilers():
    ffi = parsed(TEXT)
    questions, answers = [], []
    for name, fields in structs(ffi).items():
        questions.append(f"sizeof({name})")
        answers.append(ffi.sizeof(name))
        for field in fields:
            questions.append(f"offsetof({name}, {field})")
            answers.append(ffi.offsetof(name, field))
    compare(questions, answers)


def constants_are_the_compilers():
    library = parsed(TEXT).dlopen(LIBRARY)
    names = constants()
    compare(names, [getattr(library, name) for name in names])


def every_declared_function_is_in_the_library():
    library = parsed(TEXT).dlopen(LIBRARY)
    names = set(re.findall(r"\b(aibrix_\w+)\s*\(", TEXT))
    assert names
    for name in sorted(names):
        assert getattr(library, name) is not None


def a_call_through_cffi_works():
    ffi = parsed(TEXT)
    library = ffi.dlopen(LIBRARY)
    out = ffi.new("aibrix_hash **")
    assert library.aibrix_hash_new(ffi.NULL, out) == 0
    tokens = ffi.new("uint32_t[]", list(range(32)))
    prompt = ffi.new("aibrix_prompt *")
    prompt.size = ffi.sizeof("aibrix_prompt")
    prompt.tokens, prompt.n_tokens = tokens, 32
    hashes, n = ffi.new("uint64_t[2]"), ffi.new("uint64_t *")
    assert library.aibrix_hash_blocks(out[0], prompt, 0, hashes, ffi.NULL, 2,
                                      n) == 0
    assert n[0] == 2 and hashes[0] != hashes[1]
    library.aibrix_hash_free(out[0])


tap.run([every_header_is_included_by_aibrix_h,
         every_header_parses_alone,
         sizes_and_offsets_are_the_compilers,
         constants_are_the_compilers,
         every_declared_function_is_in_the_library,
         a_call_through_cffi_works])
