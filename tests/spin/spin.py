#!/usr/bin/env python3
"""Checks the models of the index's concurrency, and that each can fail.

usage: spin.py FOLDER -- CC...

Every model runs as it is, which must find no error, and with each of its
planted faults, which must.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MODELS = {
    "epoch": ["NO_BARRIER", "EARLY_TAG", "SAME_EPOCH", "LATE_SLOT"],
    "collect": ["NO_RECHECK", "LATE_VERSION", "EARLY_VERSION"],
}
# An error is found early; that there is none takes the whole search.
DEPTH = "-m1000000"
MINUTES = 5


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True,
                          timeout=60 * MINUTES)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def errors(model, fault, compiler):
    """How many errors spin finds: 0 or 1, since it stops at the first."""
    with tempfile.TemporaryDirectory() as folder:
        define = [f"-D{fault}"] if fault else []
        run(["spin", *define, "-a", str(model)], folder)
        run([*compiler, "-w", "-O1", "-DSAFETY", "-DMEMLIM=1024",
             "-o", "pan", "pan.c"], folder)
        out = run(["./pan", DEPTH], folder)
    found = re.search(r"errors: (\d+)", out)
    short = "Search not completed" in out and found and found[1] == "0"
    if not found or short or "too small" in out:
        raise RuntimeError(f"the search is not whole:\n{out}")
    return int(found[1])


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    compiler = sys.argv[sys.argv.index("--") + 1:]
    if not shutil.which("spin"):
        print("1..0 # SKIP spin is not installed")
        return 0
    cases = [(model, fault) for model, faults in MODELS.items()
             for fault in ["", *faults]]
    print(f"1..{len(cases)}")
    failed = 0
    for number, (model, fault) in enumerate(cases, 1):
        what = (f"{model}: {fault} is found out" if fault
                else f"{model} holds")
        try:
            good = bool(errors(folder / f"{model}.pml", fault, compiler)) \
                == bool(fault)
        except (RuntimeError, subprocess.TimeoutExpired) as problem:
            print("\n".join(f"# {s}" for s in str(problem).splitlines()))
            good = False
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {what}", flush=True)
    return failed != 0


sys.exit(main())
