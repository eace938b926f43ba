#!/usr/bin/env python3
"""Add up test results.

usage: tally.py EXPECTED_SKIPS RESULTS...

RESULTS are meson's testlog.json files, or text files of lines
"pass|fail|skip NAME" (tests/run.sh writes one for steps that are no meson
tests).  A program that speaks TAP counts once per case, any other once.
Failures and unexpected skips are named; the last line is the tally.
"""
import json
import pathlib
import re
import sys

CASE = re.compile(r"^(ok|not ok)\b[\s\d]*(?:- )?(.*?)\s*(# SKIP.*)?$", re.I)
VERDICT = {"OK": "pass", "EXPECTEDFAIL": "pass", "SKIP": "skip"}


def cases(stdout):
    """Verdicts of the cases of a TAP program."""
    for line in stdout.splitlines():
        found = CASE.match(line)
        if found:
            good, name, skipped = found.groups()
            name = re.sub(r"\s*\(\d+\.\d+s\)$", "", name)  # Criterion's
            yield ("skip" if skipped else
                   "pass" if good == "ok" else "fail"), name


def meson_results(path):
    for line in path.read_text(errors="replace").splitlines():
        test = json.loads(line)
        name = test["name"].split(" / ")[-1]
        verdict = VERDICT.get(test["result"], "fail")
        stdout = test.get("stdout") or ""
        inner = list(cases(stdout)) if stdout.startswith("TAP ") else []
        for case_verdict, case in inner:
            yield case_verdict, f"{name}: {case}"
        # A crash need not show as a failed case.
        if not inner or (verdict == "fail" and
                         all(v != "fail" for v, _ in inner)):
            yield verdict, name


def text_results(path):
    for line in path.read_text().splitlines():
        yield line.split(maxsplit=1)


def expected(path):
    lines = (line.split("#")[0].strip()
             for line in path.read_text().splitlines())
    return {line for line in lines if line}


def main():
    allowed = expected(pathlib.Path(sys.argv[1]))
    count = {"pass": 0, "fail": 0, "skip": 0}
    for path in map(pathlib.Path, sys.argv[2:]):
        read = meson_results if path.suffix == ".json" else text_results
        for verdict, name in read(path):
            if verdict == "skip" and name not in allowed:
                print(f"skipped, but not in {sys.argv[1]}: {name}")
                verdict = "fail"
            elif verdict == "fail":
                print(f"failed: {name} ({path.stem})")
            elif verdict == "skip":
                print(f"skipped: {name}")
            count[verdict] += 1
    if count["pass"] == 0:
        print("nothing was tested")
        count["fail"] += 1
    print("{pass} passed, {fail} failed, {skip} skipped".format(**count))
    sys.exit(count["fail"] != 0)


main()
