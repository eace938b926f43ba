#!/usr/bin/env python3
"""The way from an environment to a cache, as a user sees it.  Speaks TAP.

usage: test_cache_from_env.py PROGRAM
"""
import os
import subprocess
import sys
import tempfile

PREFIX = "AIBRIX_KV_CACHE_OL_"
PLAN = ("blocks of 16 tokens in chunks of {} , L1 of {} MiB, L2 {}: the block "
        "was {}\n").replace(" ,", ",")


def run(*words, **variables):
    env = {name: value for name, value in os.environ.items()
           if PREFIX not in name}
    env |= {PREFIX + name: value for name, value in variables.items()}
    done = subprocess.run([sys.argv[1], *words], capture_output=True,
                          text=True, env=env)
    return done.returncode, done.stdout, done.stderr


def cases(folder):
    small = {"L1_CACHE_CAPACITY_GB": "0.01"}
    shared = {"L2_CACHE_BACKEND": "SHFS", "SHFS_ROOT": folder,
              "L2_CACHE_INGESTION_TYPE": "ALL", **small}
    yield "L1 alone", run(**small), (0, PLAN.format(512, 10, "off",
                                                    "not there"), "")
    yield "a directory", run(**shared), (
        0, PLAN.format(512, 10, "on", "not there"), "")
    yield "the next process finds the block", run(**shared), (
        0, PLAN.format(512, 10, "on", "there"), "")
    yield "AIBrix's block is another one", run("--compat", **shared), (
        0, PLAN.format(512, 10, "on", "not there"), "")
    yield "chunks are rounded", run(CHUNK_SIZE="70", **small), (
        0, PLAN.format(64, 10, "off", "not there"), "")
    yield "faults are named, values are not", run(
        CHUNKSIZE="64", L1_CACHE_ENABLED="secret"), (
            1, "", PREFIX + "CHUNKSIZE: there is no such name\n" + PREFIX +
            "L1_CACHE_ENABLED: the value is none of 1, true, 0, false\n")
    yield "a store that nobody has", run(L2_CACHE_BACKEND="EIC", **small), (
        1, "", PREFIX + "L2_CACHE_BACKEND: there is no client of this "
        "store\n")


def main():
    print("TAP version 13")
    number, bad = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, got, wanted in cases(folder):
            # Environments have no order.
            same = [sorted(part.splitlines()) if isinstance(part, str)
                    else part for part in got] == [
                        sorted(part.splitlines()) if isinstance(part, str)
                        else part for part in wanted]
            number, bad = number + 1, bad + (not same)
            if not same:
                print(f"# got {got}")
            print(f"{'ok' if same else 'not ok'} {number} - {name}")
    code, listed, _ = run("--list")
    good = code == 0 and PREFIX + "CHUNK_SIZE=512\n" in listed
    print(f"{'ok' if good else 'not ok'} {number + 1} - names are listed")
    print(f"1..{number + 1}")
    sys.exit(bool(bad) or not good)


main()
