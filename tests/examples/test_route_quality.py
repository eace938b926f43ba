#!/usr/bin/env python3
"""Runs route_quality on small cells, and what draws its numbers.

usage: test_route_quality.py ROUTE_QUALITY EXAMPLES
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv[1]
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True

import plot_quality  # noqa: E402

SMALL = ["--kinds", "agent", "--pods", "4", "--loads", "0.5", "--seeds", "1",
         "--requests", "1000"]


def run(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True,
                          timeout=60)


def cells(*args):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cells")
        done = run(*SMALL, *args, "--json", path)
        if done.returncode:
            raise AssertionError(done.stderr)
        with open(path) as lines:
            return done.stdout, [json.loads(line) for line in lines]


class Quality(unittest.TestCase):
    def test_the_table_and_the_lines_have_the_same_numbers(self):
        table, rows = cells("--policy", "random,prefix-cache,cost")
        self.assertEqual([r["policy"] for r in rows],
                         ["random", "prefix-cache", "cost"])
        for row in rows:
            self.assertEqual((row["workload"], row["pods"], row["load"],
                              row["seeds"]), ("agent", 4, 0.5, 1))
            self.assertIn(f"{row['ttft_ms_mean']:.0f} / "
                          f"{row['ttft_ms_p99']:.0f}", table)

    def test_a_pod_that_is_slow_is_learned(self):
        _, rows = cells("--slow", "--policy", "cost-cold,cost")
        self.assertLess(rows[1]["ttft_ms_mean"],
                        0.95 * rows[0]["ttft_ms_mean"])

    def test_engines_are_those_of_the_preset(self):
        _, fast = cells("--policy", "cost")
        _, slow = cells("--policy", "cost", "--preset", "l40s-llama3-8b")
        self.assertGreater(slow[0]["ttft_ms_mean"],
                           1.5 * fast[0]["ttft_ms_mean"])

    def test_what_is_wrong_is_said(self):
        for args in [["--preset", "z80"], ["--json"], ["--loads", "0"]]:
            done = run(*SMALL, *args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(args[0], done.stderr)
        done = run(*SMALL, "--json", "/nowhere/cells")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/cells", done.stderr)


class Ratios(unittest.TestCase):
    def test_the_best_is_compared_with_the_next_and_others_with_it(self):
        rows = [{"workload": "w", "pods": 8, "load": load, "policy": policy,
                 "t": t}
                for load, policy, t in [(0.5, "a", 10), (0.5, "b", 20),
                                        (0.5, "c", 40), (0.7, "a", 30),
                                        (0.7, "b", 15), (0.9, "a", 1)]]
        self.assertEqual(plot_quality.over_best_other(rows, "t"), {
            "a": {"w, 8, 0.5": 0.5, "w, 8, 0.7": 2},
            "b": {"w, 8, 0.5": 2, "w, 8, 0.7": 0.5},
            "c": {"w, 8, 0.5": 4}})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
