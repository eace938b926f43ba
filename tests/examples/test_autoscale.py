#!/usr/bin/env python3
"""Runs autoscale as a user does: small inputs, every kind of bad input.

usage: test_autoscale.py AUTOSCALE traces|no-traces
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

AUTOSCALE = sys.argv[1]
TRACES = sys.argv[2] == "traces"
SMALL = ["--hours", "0.1", "--pods", "1.5", "--max-pods", "6", "--seeds", "2",
         "--start-up", "30"]


def run(*args):
    return subprocess.run([AUTOSCALE, *args], capture_output=True, text=True,
                          timeout=300)


def good(*args):
    done = run(*args)
    assert done.returncode == 0, (args, done.stderr)
    assert done.stderr == "", done.stderr  # no progress into a pipe
    return done.stdout


def lines(*args):
    """Runs; what is compared has lines of its own."""
    rows = [json.loads(line) for line in good(*args, "--json").splitlines()]
    return [row for row in rows if "compare" not in row]


class Results(unittest.TestCase):
    def test_every_scaler_serves_every_request_of_every_shape(self):
        rows = lines(*SMALL, "--usual", "--shape", "steady,spikes,agent")
        self.assertEqual(len({r["shape"] for r in rows}), 3)
        scalers = {r["scaler"] for r in rows}
        self.assertLessEqual({"fixed", "hpa", "apa", "kpa"}, scalers)
        self.assertEqual(len(rows), 3 * 2 * len(scalers))
        for row in rows:
            self.assertEqual(row["finished"] + row["lost"], row["requests"])
            self.assertEqual(row["lost"], 0)
            self.assertTrue(0 <= row["slo_attainment"] <= 1)
            self.assertGreater(row["gpu_hours"], 0)

    def test_without_a_word_all_shapes_run(self):
        rows = lines("--hours", "0.02", "--pods", "0.5", "--max-pods", "2",
                     "--seeds", "1", "--usual")
        self.assertEqual(len({r["shape"] for r in rows}), 7)

    def test_all_scalers_meet_the_same_requests(self):
        rows = lines(*SMALL, "--usual", "--shape", "steady")
        for seed in (1, 2):
            of = {(r["requests"], r["pods_needed_mean"]) for r in rows
                  if r["seed"] == seed}
            self.assertEqual(len(of), 1)

    def test_a_run_depends_on_its_options_alone(self):
        args = [*SMALL, "--shape", "spikes", "--scaler", "apa:target=20"]
        self.assertEqual(lines(*args, "--jobs", "1"),
                         lines(*args, "--jobs", "3"))

    def test_a_fixed_fleet_costs_pods_times_hours(self):
        rows = lines(*SMALL, "--shape", "steady", "--scaler", "fixed:pods=3",
                     "--start-up", "0")
        for row in rows:
            self.assertAlmostEqual(row["gpu_hours"], 0.3, delta=0.01)
            self.assertLessEqual(row["oscillations_per_h"], 0)

    def test_more_pods_are_never_later(self):
        few, many = (lines(*SMALL, "--shape", "ramp", "--scaler",
                           f"fixed:pods={n}")[0] for n in (2, 5))
        self.assertLess(many["e2e_ms_mean"], few["e2e_ms_mean"])
        self.assertLess(few["gpu_hours"], many["gpu_hours"])

    def test_a_timeline_has_a_mark_every_ten_seconds(self):
        row = lines(*SMALL, "--shape", "diurnal", "--scaler",
                    "kpa:target=16", "--timeline")[0]
        for name in ("need", "asked", "ready", "jobs"):
            self.assertEqual(len(row[name]), 36, name)
        self.assertEqual(row["every_s"], 10)

    def test_a_smaller_part_in_use_is_more_pods(self):
        few, many = (lines(*SMALL, "--shape", "steady", "--scaler",
                           f"tpa:use={use}")[0] for use in (0.9, 0.4))
        self.assertLess(few["gpu_hours"], many["gpu_hours"])
        self.assertEqual(few["lost"] + many["lost"], 0)

    def test_the_table_compares_at_equal_gpu_hours(self):
        out = good(*SMALL, "--shape", "diurnal", "--scaler",
                   "fixed,hpa,apa", "--seeds", "1")
        self.assertIn("at HPA's GPU-hours", out)
        rows = good(*SMALL, "--shape", "diurnal,spikes,ramp", "--scaler",
                    "fixed,hpa", "--seeds", "1", "--json").splitlines()
        rows = [r for r in map(json.loads, rows) if "compare" in r]
        self.assertEqual([r["shape"] for r in rows],
                         ["diurnal", "spikes", "ramp", "*"])
        self.assertEqual({r["compare"] for r in rows}, {"fixed"})
        self.assertIn("diurnal (tuning)", out)

    @unittest.skipUnless(TRACES, "built without jansson")
    def test_a_trace_is_a_shape(self):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "trace")
            with open(name, "w") as out:
                for i in range(100):
                    print(json.dumps({"timestamp": 1000 * i,
                                      "input_length": 700,
                                      "output_length": 50,
                                      "hash_ids": [i, i + 1000]}), file=out)
            rows = lines("--trace", name, "--shape", "trace", "--hours",
                         "0.1", "--usual", "--seeds", "1")
            self.assertEqual(rows[0]["requests"], 100)


class Complaints(unittest.TestCase):
    def bad(self, what, *args):
        done = run(*args)
        self.assertEqual(done.returncode, 2, args)
        self.assertEqual(done.stdout, "")
        self.assertIn(what, done.stderr)
        self.assertIn("autoscale: ", done.stderr)

    def test_what_is_wrong_is_said_with_its_option(self):
        self.bad("--shape square: there is none such", "--shape", "square")
        self.bad("--scaler vpa: there is none such", "--scaler", "vpa")
        self.bad("apa has no parameter tarqet", "--scaler", "apa:tarqet=3")
        self.bad("target must be a number", "--scaler", "apa:target=x")
        self.bad("--seeds 0: must be between 1 and 32", "--seeds", "0")
        self.bad("--seeds 1.5: not a whole number", "--seeds", "1.5")
        self.bad("--hours nan: not a number", "--hours", "nan")
        self.bad("--preset b300: there is none such", "--preset", "b300")
        self.bad("needs --trace FILE", "--shape", "trace")
        self.bad("more than --max-pods", "--pods", "30")
        self.bad("what is that?", "now")
        self.bad("try --help", "--nonsense")

    def test_a_target_of_nothing_is_refused(self):
        done = run(*SMALL, "--scaler", "apa:target=0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apa:target=0", done.stderr)
        done = run(*SMALL, "--scaler", "tpa:use=2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("tpa:use=2", done.stderr)

    def test_help_has_every_shape_and_scaler(self):
        text = good("--help")
        for word in ("steady", "conversation", "apa-compat", "kpa", "tpa", "tolerance",
                     "h100-llama3-8b", "--start-up", "--seed"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
