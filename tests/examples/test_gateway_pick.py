#!/usr/bin/env python3
"""Runs gateway_pick as a proxy does: lines in, lines out.

usage: test_gateway_pick.py GATEWAY_PICK
"""
import json
import subprocess
import sys
import unittest

PROGRAM = sys.argv[1]

PROMPT = list(range(100, 164))  # four blocks of 16
OTHER = list(range(64))


def run(text, *args):
    if isinstance(text, list):
        text = "".join((line if isinstance(line, str) else json.dumps(line))
                       + "\n" for line in text)
    if isinstance(text, str):
        text = text.encode()
    done = subprocess.run([PROGRAM, *args], input=text, capture_output=True,
                          timeout=60)
    return (done.returncode, done.stdout.decode(), done.stderr.decode())


def pods(*names):
    return [{"pod": name, "now_ms": 0} for name in names]


def ask(name, tokens=None, **more):
    return {"request": name, "tokens": tokens or PROMPT, "now_ms": 1, **more}


class Picks(unittest.TestCase):
    def picks(self, lines, *args):
        code, out, errors = run(lines, *args)
        self.assertEqual(errors, "")
        self.assertEqual(code, 0)
        return [json.loads(line) for line in out.splitlines()]

    def test_the_holder_of_the_prefix_is_picked_to_the_letter(self):
        code, out, errors = run(
            pods("10.0.0.1:8000", "10.0.0.2:8000") +
            [{"stored": "10.0.0.2:8000", "tokens": PROMPT[:32]}, ask("r1")])
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(out, '{"blocks":4,"held":2,"pod":"10.0.0.2:8000",'
                              '"reason":"prefix","request":"r1"}\n')

    def test_what_was_sent_just_now_counts_until_the_engine_says_so(self):
        rows = self.picks(pods("a", "b", "c") + [
            ask("r1"), ask("r2"), ask("r3"),
            ask("r4", now_ms=10000)],  # leases have ended: 5 s
            "--strategy", "prefix-cache")
        self.assertEqual([r["held"] for r in rows], [0, 4, 4, 0])
        self.assertEqual(rows[0]["reason"], "prefix-none")
        self.assertEqual({r["pod"] for r in rows[:3]}, {rows[0]["pod"]})
        self.assertNotEqual(rows[3]["pod"], rows[0]["pod"])

    def test_what_is_sent_is_charged_and_given_back(self):
        lines = pods("a", "b") + [
            ask("r1", strategy="least-request"),
            ask("r2", strategy="least-request")]
        first, second = self.picks(lines)
        self.assertEqual({first["pod"], second["pod"]}, {"a", "b"})
        for ended in ["r1", "r2"]:
            rows = self.picks(lines + [
                {"first_token": ended, "now_ms": 1},
                {"end": ended, "now_ms": 1},
                ask("r3", strategy="least-request")])
            self.assertEqual(
                rows[2]["pod"],
                first["pod"] if ended == "r1" else second["pod"])

    def test_metrics_decide_where_the_strategy_reads_them(self):
        for usage, best in [((0.9, 0.1), "b"), ((0.1, 0.9), "a"),
                            ((0.1, None), "a")]:
            rows = self.picks(
                [{"pod": name, "metrics": {"kv_usage_ratio": value},
                  "now_ms": 0} for name, value in zip("ab", usage)] +
                [ask("r1")], "--strategy", "least-kv-cache")
            self.assertEqual(rows[0]["pod"], best)
            self.assertEqual(rows[0]["reason"], "least-kv-cache")

    def test_a_pod_that_is_not_healthy_or_gone_gets_nothing(self):
        rows = self.picks(pods("a", "b") + [
            {"stored": "a", "tokens": PROMPT}, ask("r1"),
            {"pod": "a", "healthy": False}, ask("r2"),
            {"pod": "a", "healthy": True}, ask("r3"),
            {"gone": "a"}, ask("r4")])
        self.assertEqual([r["pod"] for r in rows], ["a", "b", "a", "b"])

    def test_a_pod_that_comes_back_holds_nothing(self):
        rows = self.picks(pods("a") + [
            {"stored": "a", "tokens": PROMPT}, {"gone": "a"}, *pods("a"),
            ask("r1")])
        self.assertEqual((rows[0]["pod"], rows[0]["held"]), ("a", 0))

    def test_a_session_stays_where_it_is(self):
        rows = self.picks(pods("a", "b", "c", "d") + [
            line for i in range(8) for line in
            (ask(f"r{i}", OTHER, session="s", strategy="session-affinity"),
             {"end": f"r{i}"})])
        self.assertEqual({r["reason"] for r in rows}, {"session-key"})
        self.assertEqual(len({r["pod"] for r in rows}), 1)

    def test_ties_are_drawn_by_request_and_not_by_the_order_of_pods(self):
        asked = [line for i in range(40) for line in
                 (ask(f"r{i}", [i] * 16), {"end": f"r{i}"})]
        one = self.picks(pods("a", "b", "c") + asked)
        other = self.picks(pods("c", "b", "a") + asked)
        self.assertEqual([r["pod"] for r in one], [r["pod"] for r in other])
        self.assertEqual({r["pod"] for r in one}, {"a", "b", "c"})

    def test_the_size_of_blocks_is_an_option(self):
        rows = self.picks(pods("a") + [ask("r1")], "--block-tokens", "64")
        self.assertEqual(rows[0]["blocks"], 1)

    def test_lines_are_answered_one_by_one(self):
        child = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        for line in pods("a") + [ask("r1")]:
            child.stdin.write(json.dumps(line).encode() + b"\n")
        child.stdin.flush()
        self.assertEqual(json.loads(child.stdout.readline())["pod"], "a")
        child.stdin.close()
        self.assertEqual(child.wait(timeout=60), 0)
        child.stdout.close()


class Wrong(unittest.TestCase):
    def test_each_wrong_line_is_told_and_the_next_one_counts(self):
        wrong = [
            ("nonsense", "not JSON: "),
            ('{"pod": "a"', "not JSON: "),
            ('{"pod": "a", "pod": "b"}', "not JSON: duplicate"),
            ("[" * 100000, "not JSON: "),
            ('{"pod": "\\u0000"}', "not JSON: "),
            ("[1]", "not an object"),
            ("{}", "says nothing that is known"),
            ({"pod": 1}, "pod: not a text of 1 to 200 bytes"),
            ({"pod": ""}, "pod: not a text"),
            ({"pod": "x" * 201}, "pod: not a text"),
            ({"pod": "a", "metrics": 1}, "metrics: not an object"),
            ({"pod": "a", "metrics": {"speed": 1}}, "no such metric: speed"),
            ({"pod": "a", "metrics": {"queue_s": "1"}},
             "queue_s: neither a number nor null"),
            ({"pod": "a", "healthy": 1}, "healthy: neither true nor false"),
            ({"pod": "a", "now_ms": -1}, "now_ms: not a whole number"),
            ({"pod": "a", "now_ms": 1.5}, "now_ms: not a whole number"),
            ({"gone": "nobody"}, "no such pod: nobody"),
            ({"stored": "nobody", "tokens": [1]}, "no such pod: nobody"),
            ({"stored": "a"}, "tokens: not an array of 1 to 1048576"),
            ({"stored": "a", "tokens": []}, "tokens: not an array"),
            ({"stored": "a", "tokens": [1, "2"]}, "tokens: not whole"),
            ({"stored": "a", "tokens": [-1]}, "tokens: not whole"),
            ({"stored": "a", "tokens": [2**32]}, "tokens: not whole"),
            ({"end": "r9"}, "no such request: r9"),
            ({"first_token": "r9"}, "no such request: r9"),
            ({"request": 5, "tokens": [1]}, "request: not a text"),
        ]
        for line, says in wrong:
            code, out, errors = run(pods("a") + [line, ask("r1")])
            self.assertEqual(code, 1, line)
            self.assertTrue(errors.startswith("gateway_pick: line 2: " + says),
                            (line, errors))
            self.assertEqual(errors.count("\n"), 1, line)
            self.assertEqual(json.loads(out)["pod"], "a", line)

    def test_a_request_that_cannot_be_served_is_answered(self):
        for line, says, error in [
                (ask("r1", [1, -1]), "tokens: not whole", "malformed input"),
                (ask("r1", strategy=""), "strategy: not a text",
                 "malformed input"),
                (ask("r1", session=5), "session: not a text",
                 "malformed input"),
                (ask("r1", strategy="a:-1"), "r1: ", "malformed input"),
                (ask("r1", strategy="fastest"), "r1: ", "not supported here")]:
            code, out, errors = run(pods("a") + [line])
            self.assertEqual(code, 1)
            self.assertEqual(json.loads(out), {"request": "r1",
                                               "error": error}, line)
            self.assertIn("gateway_pick: line 2: " + says, errors)
        code, out, errors = run([ask("r1")])
        self.assertEqual(out, '{"error":"not found","request":"r1"}\n')
        self.assertEqual(errors, "gateway_pick: line 1: r1: not found\n")

    def test_a_request_is_sent_once(self):
        code, out, errors = run(pods("a") + [ask("r1"), ask("r1")])
        self.assertEqual(code, 1)
        self.assertEqual(errors, "gateway_pick: line 3: this request has not "
                                 "ended: r1\n")
        self.assertIn("error", json.loads(out.splitlines()[1]))

    def test_a_wrong_line_changes_nothing(self):
        code, out, errors = run([
            {"pod": "a", "metrics": {"queue_s": 1, "speed": 2}},
            ask("r1")])
        self.assertEqual(json.loads(out)["error"], "not found")

    def test_a_line_that_is_too_long_is_passed_over(self):
        code, out, errors = run(pods("a") + [" " * (17 << 20), ask("r1")])
        self.assertEqual(code, 1)
        self.assertEqual(errors, "gateway_pick: line 2: longer than 16 MiB\n")
        self.assertEqual(json.loads(out)["pod"], "a")

    def test_empty_lines_and_a_last_line_without_its_end(self):
        code, out, errors = run('\n  \n{"pod": "a"}\n'
                                '{"request": "r", "tokens": [1]}')
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(json.loads(out)["pod"], "a")
        self.assertEqual(run(""), (0, "", ""))

    def test_options(self):
        self.assertIn("--strategy", run("", "--help")[1])
        for args, says in [(["--block-tokens", "0"], "--block-tokens 0"),
                           (["--block-tokens", "9999999999"], "must be"),
                           (["--strategy", "x"], "--strategy x: not supp"),
                           (["--nonsense"], "nonsense"),
                           (["more"], "more: not an option")]:
            code, out, errors = run("", *args)
            self.assertEqual((code, out), (2, ""), args)
            self.assertIn(says, errors)

    def test_a_full_output_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [PROGRAM], input='{"request": "r", "tokens": [1]}\n',
                stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("gateway_pick: ", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
