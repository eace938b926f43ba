#!/usr/bin/env python3
"""Install into an empty folder, then build and run a stranger's program.

usage: install.py BUILD_DIR SOURCE_DIR CC [CXX]

Each of C and C++, against the shared and the static library, with what
pkg-config says and nothing else.  Speaks TAP.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def run(args, **more):
    done = subprocess.run([str(a) for a in args], capture_output=True,
                          text=True, **more)
    if done.returncode:
        print("# " + " ".join(str(a) for a in args))
        for line in (done.stdout + done.stderr).splitlines():
            print("# " + line)
    return done


def pkg_config(dest, name, *options):
    folder = next(dest.rglob("aibrix.pc")).parent
    env = {**os.environ, "PKG_CONFIG_LIBDIR": str(folder),
           "PKG_CONFIG_SYSROOT_DIR": str(dest),
           "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
           "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
    env.pop("PKG_CONFIG_PATH", None)
    return run(["pkg-config", *options, name], env=env).stdout.split()


def consumer(dest, compiler, source, static, name="aibrix"):
    flags = pkg_config(dest, name, "--cflags", "--libs",
                       *(["--static"] if static else []))
    if static:
        flags = ["-l:libaibrix.a" if f == "-laibrix" else f for f in flags]
    program = dest / "consumer"
    if run([*compiler, "-Wall", "-Wextra", "-Werror", source, "-o", program,
            *flags]).returncode:
        return False
    libraries = next(dest.rglob("libaibrix.so")).parent
    if static:  # must run where the library is not installed
        libraries = dest / "empty"
    env = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    return run([program], env=env).returncode == 0


def main():
    build, source, *compilers = sys.argv[1:]
    print("TAP version 13")  # before what failing commands say
    dest = pathlib.Path(tempfile.mkdtemp())
    env = {**os.environ, "DESTDIR": str(dest)}
    cases = [("installs", run(["meson", "install", "--no-rebuild", "-C",
                               build], env=env).returncode == 0)]
    if cases[0][1]:
        for compiler, file in zip(compilers, ("consumer.c", "consumer.cc")):
            for static in (False, True):
                how = "static" if static else "shared"
                cases.append((f"{file} {how}", consumer(
                    dest, compiler.split(), pathlib.Path(source) / file,
                    static)))
        for more in ("tls", "crypt", "zmq", "rocksdb"):
            if list(dest.rglob(f"aibrix-{more}.pc")):
                cases.append((f"consumer_{more}.c shared", consumer(
                    dest, compilers[0].split(),
                    pathlib.Path(source) / f"consumer_{more}.c", False,
                    f"aibrix-{more}")))
    shutil.rmtree(dest)
    print(f"1..{len(cases)}")
    for number, (name, good) in enumerate(cases, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    sys.exit(not all(good for _, good in cases))


main()
