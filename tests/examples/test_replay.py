#!/usr/bin/env python3
"""Runs replay as a user does: small inputs, every kind of bad input.

usage: test_replay.py REPLAY traces|no-traces
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

REPLAY = sys.argv[1]
TRACES = sys.argv[2] == "traces"

FIELDS = [
    "policy", "evict", "requests", "finished", "pods", "hit_ceiling", "hit_ratio",
    "hit_gpu", "hit_l1", "hit_l2", "ttft_ms_mean", "ttft_ms_p50",
    "ttft_ms_p99", "tpot_ms_mean", "tpot_ms_p99", "e2e_ms_mean",
    "e2e_ms_p99", "tokens_per_s", "load_max_over_mean", "verified_blocks", "corrupt_blocks",
    "hash_ns_per_block", "match_ns", "pick_ns", "cache_ns_per_block",
]
MEASURED = ["hash_ns_per_block", "match_ns", "pick_ns", "cache_ns_per_block"]
POLICIES = ["random", "least-request", "prefix-cache", "cost"]

READS_METRICS = [
    "least-request", "prefix-cache", "throughput", "least-kv-cache",
    "least-gpu-cache", "least-busy-time", "least-utilization",
    "least-latency", "power-of-two", "session-affinity", "least-load",
    "least-load-pulling", "pack-load", "load-balance", "least-request-top-k",
    "l-metric-local", "cost", "dualmap",
    "prefix-cache-preble",
]

# Small enough for a sanitizer build, with caches so small that all tiers
# are used.
SMALL = ["--generate", "agent", "--requests", "300", "--seed", "3",
         "--pods", "3", "--gpu-blocks", "1002", "--l1-bytes", "2M",
         "--block-bytes", "1K", "--l2-bytes", "16M"]


def run(*args):
    return subprocess.run([REPLAY, *args], capture_output=True, text=True,
                          timeout=300)


def good(*args):
    done = run(*args)
    assert done.returncode == 0, (args, done.stderr)
    assert done.stderr == "", done.stderr  # no progress into a pipe
    return done.stdout


def results(*args):
    return [json.loads(line) for line in good(*args, "--json").splitlines()]


def virtual(*args):
    """What does not depend on this machine."""
    return [{k: v for k, v in row.items() if k not in MEASURED}
            for row in results(*args)]


def strategies():
    """The policies that --help lists."""
    text = good("--help")
    return text[text.index("\nPolicies:\n") + 11:].split("\n\n")[0].split()


def request(**change):
    fields = {"timestamp": 0, "input_length": 1000, "output_length": 5,
              "hash_ids": [1, 2]}
    fields.update(change)
    return json.dumps({k: v for k, v in fields.items() if v is not None})


class Output(unittest.TestCase):
    def test_one_object_per_policy_with_the_promised_fields(self):
        rows = results(*SMALL)
        self.assertEqual([r["policy"] for r in rows], POLICIES)
        for row in rows:
            self.assertEqual(list(row), FIELDS)
            self.assertEqual(row["requests"], 300)
            self.assertEqual(row["pods"], 3)
            self.assertLessEqual(row["hit_ratio"], row["hit_ceiling"] + 2e-6)
            self.assertAlmostEqual(
                row["hit_gpu"] + row["hit_l1"] + row["hit_l2"],
                row["hit_ratio"], delta=3e-6)
            self.assertLessEqual(row["ttft_ms_p50"], row["ttft_ms_p99"])
            self.assertGreater(row["ttft_ms_mean"], 0)
            self.assertEqual(row["finished"], 300)
            self.assertGreater(row["tpot_ms_mean"], 0)
            self.assertLessEqual(row["tpot_ms_mean"], row["tpot_ms_p99"])
            self.assertGreater(row["e2e_ms_mean"], row["ttft_ms_mean"])
            self.assertLessEqual(row["e2e_ms_mean"], row["e2e_ms_p99"])
            self.assertGreater(row["tokens_per_s"], 0)
            self.assertGreaterEqual(row["load_max_over_mean"], 1)
            for field in MEASURED:
                self.assertGreater(row[field], 0, field)

    def test_every_tier_hits_and_no_byte_is_wrong(self):
        for row in results(*SMALL):
            for tier in ["hit_gpu", "hit_l1", "hit_l2"]:
                self.assertGreater(row[tier], 0, tier)
            self.assertGreater(row["verified_blocks"], 0)
            self.assertEqual(row["corrupt_blocks"], 0)

    def test_same_seed_same_output(self):
        self.assertEqual(virtual(*SMALL), virtual(*SMALL))

    def test_the_table_has_a_row_per_policy(self):
        table = good(*SMALL)
        for policy in POLICIES:
            self.assertIn("\n" + policy + " ", table)

    def test_the_table_says_what_the_best_policy_saves(self):
        rows = {r["policy"]: r["ttft_ms_mean"] for r in results(*SMALL)}
        table = good(*SMALL)
        best = min(rows, key=rows.get)
        self.assertIn(f"\nBest is {best}: ", table)
        for policy in set(POLICIES) - {best}:
            share = 100 * (1 - rows[best] / rows[policy])
            self.assertIn(f"{share:3.0f} % below {policy}\n", table)

    def test_orders_of_l1_are_compared(self):
        orders = ["lru", "s3fifo", "fifo", "arc", "sieve", "auto"]
        args = [*SMALL, "--l1-bytes", "1M", "--policy", "prefix-cache",
                "--l2", "none"]
        rows = results(*args, "--evict", ",".join(orders))
        self.assertEqual([r["evict"] for r in rows], orders)
        for row in rows:
            self.assertGreater(row["hit_l1"], 0)
            self.assertEqual(row["corrupt_blocks"], 0)
        self.assertGreater(len({r["hit_l1"] for r in rows}), 2)
        self.assertEqual(rows[5]["hit_l1"],
                         results(*args, "--evict", "auto")[0]["hit_l1"])
        table = good(*args, "--evict", "lru,auto")
        for order in ["lru", "auto"]:
            self.assertIn("\nprefix-cache " + order + " ", table)

    def test_an_unknown_order_is_refused(self):
        for order in ["", "mru", "lru,", "lru,lr", ",".join(["lru"] * 9)]:
            done = run(*SMALL, "--evict", order)
            self.assertEqual(done.returncode, 2, order)
            self.assertIn("--evict", done.stderr)

    def test_every_policy_serves_every_request(self):
        names = strategies()
        self.assertGreaterEqual(len(names), 19)
        for name in ["pack-load", "session-affinity", "round-robin"]:
            self.assertIn(name, names)
        for profile in ["default", "compat"]:
            rows = results(*SMALL, "--profile", profile, "--policy",
                           ",".join(names))
            self.assertEqual([r["policy"] for r in rows], names)
            for row in rows:
                self.assertEqual(row["finished"], 300, row["policy"])
                self.assertEqual(row["corrupt_blocks"], 0, row["policy"])
            # A strategy without its metrics would draw by lot.
            lot = [r["policy"] for r in rows
                   if r["ttft_ms_mean"] == rows[0]["ttft_ms_mean"]]
            for name in READS_METRICS:
                self.assertIn(name, names)
                self.assertNotIn(name, lot, profile)

    def test_a_pod_that_is_full_lets_requests_wait(self):
        row, = results(*SMALL, "--load", "2", "--policy", "pack-load")
        self.assertEqual(row["finished"], 300)

    def test_a_history_of_what_was_sent_survives_churn(self):
        for profile in ["default", "compat"]:
            row, = results(*SMALL, "--policy", "prefix-cache-preble",
                           "--profile", profile, "--churn")
            self.assertEqual(row["finished"], 300)
            self.assertGreater(row["hit_gpu"], 0.25)

    def test_policies_are_weighted_and_in_stages(self):
        names = ["prefix-cache:6+least-latency:4",
                 "least-request>prefix-cache"]
        rows = results(*SMALL, "--policy", ",".join(names))
        self.assertEqual([r["policy"] for r in rows],
                         ["prefix-cache:6,least-latency:4", names[1]])
        self.assertNotEqual(rows[0]["ttft_ms_mean"], rows[1]["ttft_ms_mean"])

    def test_one_policy_is_compared_with_nothing(self):
        self.assertNotIn("Best is", good(*SMALL, "--policy", "random"))

    def test_without_payload_only_the_gpu_hits(self):
        for row in results("--generate", "agent", "--requests", "100",
                           "--block-bytes", "0"):
            self.assertEqual(row["hit_l1"] + row["hit_l2"], 0)
            self.assertGreater(row["hit_gpu"], 0)
            self.assertEqual(row["verified_blocks"], 0)

    def test_without_l2_nothing_comes_from_there(self):
        for row in results(*SMALL, "--l2", "none"):
            self.assertEqual(row["hit_l2"], 0)

    def test_compat_and_speed_and_presets_and_one_policy(self):
        rows = results(*SMALL, "--profile", "compat", "--policy",
                       "prefix-cache", "--speed", "2", "--preset",
                       "a100-llama3-8b")
        self.assertEqual(len(rows), 1)

    def test_help_names_every_option(self):
        text = good("--help")
        for option in ["trace", "generate", "requests", "seed", "pods",
                       "policy", "profile", "block-tokens", "block-bytes",
                       "gpu-blocks", "l1-bytes", "l2", "l2-bytes",
                       "l2-fault", "speed", "load", "stale", "sweep",
                       "pd", "users", "tenants", "churn", "burst", "predict",
                       "slow", "l2-gbps",
                       "queue-weight", "preset", "measure", "json"]:
            self.assertIn("--" + option, text)


class Sweep(unittest.TestCase):
    def test_each_value_is_a_run_of_its_own(self):
        args = [*SMALL, "--policy", "prefix-cache"]
        rows = virtual(*args, "--sweep", "load=0.3,0.9")
        self.assertEqual([r["sweep"] for r in rows], ["load", "load"])
        self.assertEqual([r["value"] for r in rows], ["0.3", "0.9"])
        for row in rows:
            alone, = virtual(*args, "--load", row["value"])
            del row["sweep"], row["value"]
            self.assertEqual(row, alone)
        self.assertLess(rows[0]["ttft_ms_mean"], rows[1]["ttft_ms_mean"])

    def test_what_follows_from_a_value_follows_it(self):
        rows = results(*SMALL[:-6], "--policy", "random", "--sweep",
                       "block-bytes=1K,512,0")
        self.assertEqual([r["hit_l1"] > 0 for r in rows], [True, True, False])

    def test_the_table_has_a_line_for_each_value_and_policy(self):
        table = good(*SMALL, "--sweep", "pods=2,3")
        for pods in "23":
            for policy in POLICIES:
                self.assertEqual(table.count(f"\n{pods}            {policy} "),
                                 1)

    def test_sweeps_that_are_none(self):
        for text, says in [("", "--sweep : not OPTION="),
                           ("load", "--sweep load: not OPTION="),
                           ("load=", "--load : not a number"),
                           ("load=0.1,", "--load : not a number"),
                           ("load=0.1,x", "--load x: not a number"),
                           ("pods=0", "--pods 0: must be between"),
                           ("policy=random", "--sweep policy: not an option"),
                           ("json=1", "--sweep json: not an option"),
                           ("=1", "--sweep : not an option"),
                           ("load=" + ",".join("1" * 65), "too many")]:
            done = run(*SMALL, "--sweep", text)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(says, done.stderr)
            self.assertEqual(done.stdout, "")


class Stale(unittest.TestCase):
    def test_no_lag_is_none(self):
        self.assertEqual(virtual(*SMALL, "--stale", "0"), virtual(*SMALL))

    def test_a_gateway_that_knows_late_balances_worse(self):
        fresh, late = results(*SMALL, "--policy", "least-request", "--sweep",
                              "stale=0,2000")
        self.assertGreater(late["ttft_ms_mean"], 1.1 * fresh["ttft_ms_mean"])
        self.assertEqual(late["finished"], 300)

    def test_who_reads_no_counts_does_not_notice(self):
        for policy in ["random", "round-robin"]:
            args = [*SMALL, "--policy", policy]
            late, = virtual(*args, "--stale", "2000")
            self.assertEqual(late.pop("stale_ms"), 2000)
            self.assertEqual([late], virtual(*args))


# As SMALL, but for the number of pods.
FLEET = SMALL[:6] + SMALL[8:]


class Churn(unittest.TestCase):
    def test_pods_come_and_go_and_no_request_is_lost(self):
        for policy in ["round-robin", "prefix-cache", "session-affinity"]:
            row, = results(*SMALL, "--policy", policy, "--churn", "--load",
                           "1")
            self.assertEqual(row["finished"], 300)
            self.assertEqual(row["corrupt_blocks"], 0)
            churn = row["churn"]
            self.assertEqual([churn["left"], churn["joined"],
                              churn["restarted"]], [4, 4, 4])
            self.assertGreater(churn["retried"], 0)
            self.assertLessEqual(row["hit_ratio"], row["hit_ceiling"])

    def test_memory_of_pods_that_went_is_gone(self):
        args = [*SMALL, "--policy", "prefix-cache", "--l2", "none"]
        still, = results(*args)
        moving, = results(*args, "--churn")
        self.assertLess(moving["hit_ratio"], still["hit_ratio"] - 0.01)
        self.assertGreater(moving["ttft_ms_mean"], still["ttft_ms_mean"])

    def test_two_pods_of_which_both_may_be_out(self):
        row, = results(*FLEET, "--pods", "2", "--load", "3", "--policy",
                       "least-request", "--churn")
        self.assertEqual(row["finished"], 300)

    def test_equal_inputs_give_equal_churn(self):
        args = [*SMALL, "--churn"]
        self.assertEqual(virtual(*args), virtual(*args))

    def test_the_table_says_who_went(self):
        self.assertIn("churn: policy", good(*SMALL, "--churn"))


class Burst(unittest.TestCase):
    # As SMALL, without tiers.
    ARGS = [*SMALL[:10], "--block-bytes", "0"]

    def test_siblings_come_on_top_and_all_are_served(self):
        row, = results(*self.ARGS, "--burst", "20", "--policy", "cost")
        self.assertEqual(row["requests"], 300 + 8 * 20)
        self.assertEqual(row["finished"], row["requests"])
        self.assertEqual(row["burst"], 20)

    def test_what_siblings_share_is_computed_twice_in_each_pod_at_most(self):
        row, = results(*self.ARGS, "--burst", "30", "--policy",
                       "least-request")
        # By the first one, and by who shares a step with its end.
        self.assertAlmostEqual(row["sibling_hit_ratio"],
                               24 / 30 * 64 * 128 / 8492, delta=0.03)

    def test_the_others_are_those_of_a_run_without(self):
        few, = results(*self.ARGS, "--burst", "1", "--policy", "cost")
        many, = results(*self.ARGS, "--burst", "30", "--policy", "cost")
        for field in ["other_still_ttft_ms_mean", "other_still_ttft_ms_p99"]:
            self.assertEqual(few[field], many[field])
        self.assertGreater(many["other_ttft_ms_mean"],
                           many["other_still_ttft_ms_mean"])

    def test_who_knows_what_it_sent_sends_siblings_after_it(self):
        args = [*self.ARGS, "--burst", "30", "--policy", "prefix-cache"]
        blind, = results(*args)
        row, = results(*args, "--predict")
        self.assertEqual(row["predict"], 1)
        self.assertGreater(row["sibling_hit_ratio"],
                           blind["sibling_hit_ratio"])

    def test_predictions_of_pods_that_go_go_with_them(self):
        row, = results(*self.ARGS, "--burst", "10", "--predict", "--churn",
                       "--policy", "cost")
        self.assertEqual(row["finished"], 300 + 8 * 10)

    def test_the_table_shows_both(self):
        self.assertIn("Eight bursts of 5 siblings",
                      good(*SMALL, "--burst", "5"))


class Slow(unittest.TestCase):
    def test_full_speed_is_no_slow_pod(self):
        rows = virtual(*SMALL, "--slow", "1")
        for row in rows:
            self.assertEqual(row.pop("slow"), 1)
        self.assertEqual(rows, virtual(*SMALL))

    def test_who_counts_requests_spares_a_slow_pod(self):
        rows = {r["policy"]: r["ttft_ms_mean"] for r in results(
            *SMALL, "--slow", "0.25", "--policy",
            "round-robin,least-request,prefix-cache")}
        self.assertLess(rows["least-request"], 0.7 * rows["round-robin"])
        self.assertLess(rows["prefix-cache"], 0.7 * rows["round-robin"])


class Throttle(unittest.TestCase):
    ARGS = [*SMALL, "--policy", "random"]

    def test_the_preset_s_own_speed_is_no_throttle(self):
        own, = virtual(*self.ARGS, "--l2-gbps", "80")
        none, = virtual(*self.ARGS, "--l2-fault", "none@0")
        self.assertEqual(own.pop("l2_gbps"), 80)
        self.assertEqual(own, none)

    def test_several_speeds_are_a_sweep(self):
        rows = virtual(*self.ARGS, "--l2-gbps", "1,20,80")
        self.assertEqual([r["value"] for r in rows], ["1", "20", "80"])
        self.assertEqual([r["l2_gbps"] for r in rows], [1, 20, 80])
        self.assertEqual(rows, virtual(*self.ARGS, "--sweep",
                                       "l2-gbps=1,20,80"))
        # Slower is never better, and where it does not pay it is not used.
        hits = [r["hit_l2"] for r in rows]
        self.assertEqual(hits, sorted(hits))
        self.assertLess(hits[0], 0.5 * hits[2])
        self.assertGreater(rows[0]["ttft_ms_mean"], rows[2]["ttft_ms_mean"])
        self.assertLess(rows[0]["ttft_over_no_l2"], 0.02)

    def test_speeds_that_are_none(self):
        for text, says in [("0", "--l2-gbps 0: must be"),
                           ("1,0", "--l2-gbps 0: must be"),
                           ("1,", "--l2-gbps : not a number"),
                           ("x", "--l2-gbps x: not a number")]:
            done = run(*self.ARGS, "--l2-gbps", text)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(says, done.stderr)
        done = run(*self.ARGS, "--l2-gbps", "1", "--l2", "none")
        self.assertIn("--l2-gbps: there is no L2", done.stderr)
        done = run(*self.ARGS, "--l2-gbps", "1,2", "--sweep", "load=1,2")
        self.assertIn("one option is varied already", done.stderr)


class PrefillDecode(unittest.TestCase):
    def test_every_request_is_prefilled_and_decoded_once(self):
        for split in ["1:1", "1:3", "3:1", "2:2"]:
            rows = results(*FLEET, "--pd", split, "--policy", "pd,random")
            prefill, decode = (int(n) for n in split.split(":"))
            for row in rows:
                self.assertEqual(row["finished"], 300, split)
                self.assertEqual(row["pods"], prefill + decode)
                self.assertEqual(row["prefill_pods"], prefill)
                self.assertEqual(row["decode_pods"], decode)
                self.assertEqual(row["corrupt_blocks"], 0)
                self.assertGreater(row["hit_ratio"], 0.1)
                self.assertLessEqual(row["hit_ratio"],
                                     row["hit_ceiling"] + 2e-6)

    def test_no_prompt_gets_in_the_way_of_who_decodes(self):
        rows = {r["policy"]: r for r in results(*FLEET, "--pd", "2:2")}
        self.assertEqual(list(rows), [*POLICIES, "pd"])
        self.assertLess(rows["pd"]["tpot_ms_p99"],
                        0.7 * rows["prefix-cache"]["tpot_ms_p99"])

    def test_little_memory_ends_in_no_deadlock(self):
        row, = results(*[a if a != "1002" else "800" for a in FLEET], "--pd",
                       "2:2", "--policy", "pd", "--load", "5")
        self.assertEqual(row["finished"], 300)

    def test_equal_inputs_give_equal_pairs(self):
        args = [*FLEET, "--pd", "2:2", "--policy", "pd"]
        self.assertEqual(virtual(*args), virtual(*args))

    def test_compat_picks_otherwise(self):
        args = [*FLEET, "--pd", "2:2", "--policy", "pd"]
        self.assertNotEqual(virtual(*args)[0]["ttft_ms_mean"],
                            virtual(*args, "--profile", "compat")[0]
                            ["ttft_ms_mean"])

    def test_pairs_that_are_none(self):
        for text in ["", "1", "1:", ":1", "0:1", "1:0", "1:2:3", "a:b",
                     "513:1", "-1:1", "1:1x"]:
            done = run(*FLEET, "--pd", text)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn("--pd " + text, done.stderr)
        for args, says in [(["--pd", "1:1", "--pods", "3"], "--pods: not"),
                           (["--policy", "pd"], "needs --pd N:M"),
                           (["--pd", "1:1", "--churn"], "--pd and --churn"),
                           (["--pd", "1:1", "--users", "3"],
                            "--pd and --users"),
                           (["--pd", "1:1", "--stale", "3"],
                            "--pd and --stale"),
                           (["--pd", "1:1", "--burst", "3"],
                            "--pd and --burst"),
                           (["--pd", "1:1", "--predict"],
                            "--pd and --predict"),
                           (["--users", "3", "--burst", "3"],
                            "--burst and --users"),
                           (["--tenants", "3", "--burst", "3"],
                            "--burst and --tenants"),
                           (["--burst", "0"], "--burst 0: must be"),
                           (["--users", "3", "--tenants", "3"],
                            "--users and --tenants"),
                           (["--churn", "--l2-fault", "slow"],
                            "--churn and --l2-fault"),
                           (["--churn", "--pods", "1"], "needs two pods"),
                           (["--users", "1"], "--users 1: must be"),
                           (["--tenants", "33"], "--tenants 33: must be"),
                           (["--slow", "2"], "--slow 2: must be")]:
            done = run(*FLEET, *args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(says, done.stderr)


class Groups(unittest.TestCase):
    USERS = ["--generate", "conversation", "--requests", "1500", "--pods",
             "2", "--block-bytes", "0", "--load", "1.4", "--users", "10",
             "--policy", "prefix-cache"]

    def test_a_heavy_user_does_not_make_the_others_wait(self):
        row, = results(*self.USERS)
        self.assertEqual(row["finished"], 1500)
        self.assertLess(row["light_ttft_ms_p99"],
                        0.4 * row["light_unfair_ttft_ms_p99"])
        self.assertGreater(row["heavy_ttft_ms_p99"],
                           2 * row["light_ttft_ms_p99"])
        self.assertAlmostEqual(
            row["light_p99_over_equal"],
            row["light_ttft_ms_p99"] / row["light_equal_ttft_ms_p99"] - 1,
            delta=1e-4)
        # On a tenth of the fleet each would wait longer.
        self.assertLess(row["light_p99_over_apart"], 0)
        self.assertAlmostEqual(
            row["light_p99_over_apart"],
            row["light_ttft_ms_p99"] / row["light_apart_ttft_ms_p99"] - 1,
            delta=1e-4)
        # Nobody is told apart where all wait in one line.
        self.assertAlmostEqual(row["heavy_unfair_ttft_ms_mean"] /
                               row["light_unfair_ttft_ms_mean"], 1, delta=0.3)

    def test_equal_inputs_give_equal_turns(self):
        self.assertEqual(virtual(*self.USERS), virtual(*self.USERS))

    def test_tenants_take_room_from_each_other(self):
        args = [*SMALL, "--policy", "prefix-cache", "--l2", "none",
                "--tenants", "4"]
        row, = results(*args)
        self.assertEqual(row["finished"], 300)
        self.assertEqual(len(row["tenant_ttft_ms_mean"]), 4)
        self.assertEqual(len(row["tenant_alone_ttft_ms_mean"]), 4)
        self.assertGreater(row["tenant_ttft_over_alone_mean"], 0)
        self.assertGreaterEqual(row["tenant_ttft_over_alone_max"],
                                row["tenant_ttft_over_alone_mean"])
        self.assertGreater(row["tenant_hits_lost_mean"], 0)
        # They share no prompts: less can be reused than by one.
        self.assertLess(row["hit_ceiling"],
                        results(*SMALL, "--policy", "random")[0]
                        ["hit_ceiling"])
        self.assertEqual(virtual(*args), virtual(*args))

    def test_the_tables_show_them(self):
        self.assertIn("One user sends as much as the 9 others",
                      good(*self.USERS))
        self.assertIn("4 tenants, each with the others and alone",
                      good(*SMALL, "--tenants", "4"))


class Disk(unittest.TestCase):
    def test_l2_on_disk_gives_what_memory_gives_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            disk = results(*SMALL, "--l2", "file:" + folder)
            self.assertEqual(os.listdir(folder), [])
        memory = results(*SMALL)
        for a, b in zip(disk, memory):
            self.assertGreater(a["hit_l2"], 0)
            self.assertEqual(a["corrupt_blocks"], 0)
            self.assertEqual(a["hit_ceiling"], b["hit_ceiling"])

    def test_measured_loads(self):
        with tempfile.TemporaryDirectory() as folder:
            results(*SMALL, "--l2", "file:" + folder, "--measure",
                    "--policy", "random")


FAULT_FIELDS = [
    "l2_fault", "l2_fault_requests", "l2_fault_ttft_ms_mean",
    "l2_fault_ttft_ms_p99", "no_l2_ttft_ms_mean", "no_l2_ttft_ms_p99",
    "ttft_over_no_l2",
]


class Fault(unittest.TestCase):
    """An L2 that answers in virtual time, or does not."""

    def row(self, fault, *args):
        return results(*SMALL, "--policy", "prefix-cache", "--l2-fault",
                       fault, *args)[0]

    def test_an_l2_in_virtual_time_gives_what_one_in_real_time_does(self):
        real = results(*SMALL, "--policy", "prefix-cache")[0]
        row = self.row("none")
        self.assertEqual(row["corrupt_blocks"], 0)
        self.assertGreater(row["hit_l2"], 0)
        self.assertAlmostEqual(row["hit_ratio"], real["hit_ratio"],
                               delta=0.02)
        self.assertAlmostEqual(row["ttft_ms_mean"] / real["ttft_ms_mean"], 1,
                               delta=0.05)
        self.assertLess(row["ttft_over_no_l2"], 0)

    def test_a_fault_has_its_fields(self):
        row = self.row("slow@0.5")
        self.assertEqual([f for f in row if f not in FIELDS], FAULT_FIELDS)
        self.assertEqual(row["l2_fault"], "slow")
        self.assertLess(row["l2_fault_requests"], 300)
        self.assertGreater(row["l2_fault_requests"], 50)
        over = row["l2_fault_ttft_ms_mean"] / row["no_l2_ttft_ms_mean"] - 1
        self.assertAlmostEqual(row["ttft_over_no_l2"], over, delta=1e-4)

    def test_since_the_first_request_means_all_of_them(self):
        row = self.row("hang@0")
        self.assertEqual(row["l2_fault_requests"], 300)
        self.assertEqual(row["l2_fault_ttft_ms_mean"], row["ttft_ms_mean"])
        self.assertEqual(row["no_l2_ttft_ms_mean"],
                         results(*SMALL, "--policy", "prefix-cache", "--l2",
                                 "none")[0]["ttft_ms_mean"])
        self.assertEqual(row["hit_l2"], 0)

    def test_no_fault_shows_a_wrong_byte(self):
        for fault in ["slow", "slow@0", "hang", "hang@0", "flap", "flap@0"]:
            row = self.row(fault)
            self.assertEqual(row["corrupt_blocks"], 0, fault)
            self.assertGreater(row["verified_blocks"], 0, fault)

    def test_no_fault_costs_more_than_two_per_cent(self):
        few = ["--generate", "conversation", "--requests", "600", "--pods",
               "2", "--gpu-blocks", "2000", "--l1-bytes", "512K",
               "--block-bytes", "512", "--l2-bytes", "64M", "--load", "0.3",
               "--policy", "prefix-cache"]
        for fault in ["slow", "slow@0", "hang", "hang@0", "flap", "flap@0"]:
            row = results(*few, "--l2-fault", fault)[0]
            self.assertLessEqual(row["ttft_over_no_l2"], 0.02, fault)
            self.assertEqual(row["corrupt_blocks"], 0, fault)
        row = results(*few, "--l2-fault", "none")[0]
        self.assertLess(row["ttft_over_no_l2"], -0.04)
        self.assertGreater(row["hit_l2"], 0.05)

    def test_equal_inputs_give_equal_traces(self):
        for fault in ["slow", "hang", "flap"]:
            rows = [self.row(fault), self.row(fault)]
            for row in rows:
                for field in MEASURED:
                    del row[field]
            self.assertEqual(rows[0], rows[1], fault)

    def test_the_table_says_what_it_costs(self):
        table = good(*SMALL, "--l2-fault", "hang@0.5")
        self.assertIn("L2, fault hang, the last 50 % of the time", table)
        for policy in POLICIES:
            self.assertEqual(table.count("\n" + policy + " "), 3)

    def test_faults_that_are_none(self):
        for text in ["", "fast", "slow@", "slow@1", "slow@-1", "slow@x",
                     "@0", "slow@nan"]:
            done = run(*SMALL, "--l2-fault", text)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn("--l2-fault " + text, done.stderr)
        for more in [["--l2", "none"], ["--block-bytes", "0"]]:
            done = run("--generate", "rag", "--l2-fault", "slow", *more)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--l2-fault: there is no L2", done.stderr)


@unittest.skipUnless(TRACES, "built without libjansson")
class Trace(unittest.TestCase):
    def file(self, text):
        handle = tempfile.NamedTemporaryFile("wb", suffix=".jsonl",
                                             delete=False)
        self.addCleanup(os.unlink, handle.name)
        with handle:
            handle.write(text if isinstance(text, bytes) else text.encode())
        return handle.name

    def test_hits_of_a_trace_that_can_be_counted_by_hand(self):
        # 1000 tokens: 7 whole blocks of 128 and a rest; the second request
        # repeats the first, the third one its first 512 tokens.
        path = self.file("\n".join([
            request(),
            request(timestamp=60000),
            request(timestamp=120000, hash_ids=[1, 3]),
            "", ""]))
        rows = results("--trace", path, "--pods", "1", "--speed", "1",
                       "--policy", "random")
        self.assertAlmostEqual(rows[0]["hit_ceiling"], 11 * 128 / 3000,
                               delta=1e-6)
        self.assertAlmostEqual(rows[0]["hit_gpu"], 11 * 128 / 3000,
                               delta=1e-6)

    def test_one_token_is_always_computed(self):
        path = self.file("\n".join([
            request(input_length=512, hash_ids=[1]),
            request(input_length=512, hash_ids=[1], timestamp=60000)]))
        rows = results("--trace", path, "--pods", "1", "--speed", "1",
                       "--policy", "random")
        self.assertAlmostEqual(rows[0]["hit_ceiling"], 3 * 128 / 1024,
                               delta=1e-6)
        self.assertAlmostEqual(rows[0]["hit_ratio"], 3 * 128 / 1024,
                               delta=1e-6)

    def test_a_short_prompt_has_no_whole_block_and_runs(self):
        path = self.file(request(input_length=1, hash_ids=[1]))
        self.assertEqual(results("--trace", path)[0]["hit_ratio"], 0)

    def test_a_prompt_of_a_million_tokens(self):
        path = self.file(request(input_length=1000000,
                                 hash_ids=list(range(1954))))
        results("--trace", path, "--gpu-blocks", "10000", "--policy",
                "prefix-cache")

    def test_turns_of_a_session_are_found_and_stay_together(self):
        # Ten sessions of four turns that have one piece in common.
        lines = [request(timestamp=1000 * (10 * turn + session),
                         input_length=512 * (turn + 2),
                         hash_ids=[7] + [100 * session + k
                                         for k in range(turn + 1)])
                 for turn in range(4) for session in range(10)]
        path = self.file("\n".join(lines))
        rows = {r["policy"]: r for r in results(
            "--trace", path, "--pods", "4", "--speed", "1", "--policy",
            "round-robin,session-affinity")}
        best = rows["session-affinity"]
        self.assertGreater(best["hit_gpu"],
                           rows["round-robin"]["hit_gpu"] + 0.05)
        self.assertGreater(best["hit_gpu"], 0.9 * best["hit_ceiling"])

    def test_requests_limits_a_trace(self):
        path = self.file("\n".join([request()] * 5))
        rows = results("--trace", path, "--requests", "2")
        self.assertEqual(rows[0]["requests"], 2)

    def test_bad_lines_are_named_by_file_and_line(self):
        bad = {
            "truncated": '{"timestamp": 0, "input_length": 1000, "out',
            "not an object": "[1, 2]",
            "not JSON": "hello",
            "NUL": b"\0",
            "not UTF-8": b'{"\xff": 1}',
            "deep": "[" * 100000,
            "negative time": request(timestamp=-1),
            "huge time": request(timestamp=10**15),
            "beyond 64 bits": request(timestamp=10**30),
            "real time": request(timestamp=0.5),
            "text for a number": request(timestamp="0"),
            "goes back in time": request(timestamp=3),
            "empty prompt": request(input_length=0, hash_ids=[]),
            "negative prompt": request(input_length=-1, hash_ids=[]),
            "huge prompt": request(input_length=10**9),
            "negative output": request(output_length=-1),
            "huge output": request(output_length=10**9),
            "too few ids": request(hash_ids=[1]),
            "too many ids": request(hash_ids=[1, 2, 3]),
            "id of text": request(hash_ids=[1, "2"]),
            "negative id": request(hash_ids=[1, -2]),
            "no timestamp": request(timestamp=None),
            "no input_length": request(input_length=None),
            "no output_length": request(output_length=None),
            "no hash_ids": request(hash_ids=None),
            "too long": " " * (5 << 20),
        }
        first = request(timestamp=5).encode()
        for name, line in bad.items():
            line = line if isinstance(line, bytes) else line.encode()
            path = self.file(first + b"\n" + line + b"\n")
            for extra in (["--json"], []):
                done = run("--trace", path, *extra)
                self.assertEqual(done.returncode, 1, name)
                self.assertIn(path + ":2: ", done.stderr, name)
                self.assertEqual(done.stderr.count("\n"), 1, name)
                self.assertEqual(done.stdout, "", name)

    def test_files_that_are_none(self):
        for path in ["/nonexistent/trace", "/", self.file(""),
                     self.file("\n\n")]:
            done = run("--trace", path)
            self.assertEqual(done.returncode, 1, path)
            self.assertIn(path + ": ", done.stderr)

    def test_a_request_that_no_pod_can_hold_is_refused(self):
        path = self.file(request() + "\n" + request(
            input_length=5120, hash_ids=list(range(10))))
        done = run("--trace", path, "--gpu-blocks", "20")
        self.assertEqual(done.returncode, 1)
        self.assertIn(path + ":2: needs 41 GPU blocks", done.stderr)


CONVERSATION = os.path.join(os.environ.get("AIBRIX_TEST_DATA", ""),
                            "mooncake_conversation.jsonl")


@unittest.skipUnless(TRACES and os.path.exists(CONVERSATION),
                     "no public trace here")
class RealTrace(unittest.TestCase):
    def test_prefix_cache_comes_close_to_one_infinite_cache(self):
        rows = {r["policy"]: r for r in results(
            "--trace", CONVERSATION, "--pods", "8", "--l2", "none",
            "--gpu-blocks", "1000000", "--block-bytes", "0")}
        best = rows["prefix-cache"]
        self.assertEqual(best["requests"], 12031)
        self.assertGreaterEqual(best["hit_ratio"], 0.95 * best["hit_ceiling"])
        self.assertLessEqual(best["load_max_over_mean"], 1.20)
        for other in ["random", "least-request"]:
            self.assertLess(best["ttft_ms_mean"],
                            0.8 * rows[other]["ttft_ms_mean"])

    def test_all_tiers_serve_it(self):
        for row in results("--trace", CONVERSATION, "--requests", "2000",
                           "--policy", "random,prefix-cache"):
            self.assertGreater(row["hit_l1"], 0)
            self.assertGreater(row["hit_l2"], 0)
            self.assertGreater(row["verified_blocks"], 0)
            self.assertEqual(row["corrupt_blocks"], 0)


class BadOptions(unittest.TestCase):
    def refused(self, *args, says):
        done = run(*args)
        self.assertNotEqual(done.returncode, 0, args)
        self.assertGreater(done.returncode, 0, args)  # not by a signal
        self.assertIn(says, done.stderr, args)
        self.assertEqual(done.stdout, "", args)

    def test_numbers(self):
        for option in ["requests", "pods", "block-tokens", "block-bytes",
                       "gpu-blocks", "l1-bytes", "l2-bytes", "seed", "stale"]:
            for text in ["-1", "", " 1", "1x", "1.5", "0x10", "nan",
                         "99999999999999999999999"]:
                self.refused("--generate", "rag", f"--{option}", text,
                             says=f"--{option} {text}")
        for option in ["pods", "requests", "block-tokens", "gpu-blocks"]:
            self.refused("--generate", "rag", f"--{option}", "0",
                         says=f"--{option} 0")
        for option in ["speed", "load", "queue-weight"]:
            for text in ["-1", "0", "", "1x", "nan", "inf", "1e999"]:
                self.refused("--generate", "rag", f"--{option}", text,
                             says=f"--{option} {text}")

    def test_products_that_overflow(self):
        self.refused("--generate", "rag", "--l1-bytes", "17179869184G",
                     says="--l1-bytes")
        self.refused("--generate", "rag", "--l2-bytes", "16777216T",
                     says="--l2-bytes")

    def test_names(self):
        self.refused("--generate", "poetry", says="poetry")
        self.refused("--generate", "rag", "--policy", "random,fastest",
                     says="--policy fastest: unknown")
        self.refused("--generate", "rag", "--policy", "random:1+prefix-cache",
                     says="not to be combined")
        self.refused("--generate", "rag", "--policy", "prefix-cache:-1",
                     says="--policy prefix-cache:-1: ")
        self.refused("--generate", "rag", "--policy", "", says="--policy")
        self.refused("--generate", "rag", "--policy", "random,",
                     says="--policy")
        self.refused("--generate", "rag", "--preset", "abacus",
                     says="--preset abacus")
        self.refused("--generate", "rag", "--profile", "x",
                     says="--profile x")
        self.refused("--generate", "rag", "--l2", "tape", says="--l2 tape")
        self.refused("--generate", "rag", "--l2", "file:", says="--l2 file:")
        self.refused("--generate", "rag", "--frobnicate",
                     says="frobnicate")
        self.refused("--generate", "rag", "more", says="more")

    def test_combinations(self):
        self.refused(says="--trace")
        self.refused("--generate", "rag", "--trace", "x", says="--trace")
        self.refused("--generate", "rag", "--load", "1", "--speed", "1",
                     says="--speed and --load")
        self.refused("--generate", "rag", "--block-bytes", "0",
                     "--l1-bytes", "1M", says="--block-bytes 0")
        self.refused("--generate", "rag", "--l1-bytes", "100",
                     says="less than one block")
        self.refused("--generate", "rag", "--l2-bytes", "100",
                     says="less than one block")

    def test_sizes_that_the_machine_has_not_name_their_option(self):
        for option in ["--l1-bytes", "--l2-bytes"]:
            done = run("--generate", "rag", "--requests", "10", option,
                       "256T")
            self.assertEqual(done.returncode, 1)
            self.assertIn(option, done.stderr)

    def test_l2_folders_that_are_none(self):
        self.refused("--generate", "rag", "--l2", "file:/nonexistent",
                     says="--l2 file:/nonexistent")
        self.refused("--generate", "rag", "--l2", "file:/dev/null",
                     says="not a directory")

    def test_a_disk_that_is_too_small_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("--generate", "rag", "--requests", "10", "--l2",
                       "file:" + folder, "--l2-bytes", "200T")
            self.assertEqual(done.returncode, 1)
            self.assertIn(folder, done.stderr)
            self.assertEqual(os.listdir(folder), [])

    def test_a_full_output_is_a_failure(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        for args in [SMALL, [*SMALL, "--json"], ["--help"]]:
            with open("/dev/full", "w") as full:
                done = subprocess.run([REPLAY, *args], stdout=full,
                                      stderr=subprocess.PIPE, text=True)
            self.assertGreater(done.returncode, 0, args)
            self.assertIn("output", done.stderr, args)
            self.assertEqual(done.stderr.count("\n"), 1, args)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
