#!/usr/bin/env python3
"""Runs autoscale_live over real processes with vLLM's page, on loopback.

usage: test_autoscale_live.py AUTOSCALE_LIVE

Nothing is waited for by the clock: load is set, and then the test waits until
the scaler has said what it must.
"""
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from live_scaler import (HANG_S, Scaler, alive, free_ports, wait_ended,
                         wait_readable)

PROGRAM = sys.argv[1]


class Live(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.folder = self.place.name

    def load(self, name="all", **values):
        path = f"{self.folder}/{name}.json"
        with open(path + ".new", "w") as file:
            json.dump(values, file)
        os.rename(path + ".new", path)

    def scaler(self, ports=6, *more, **options):
        if isinstance(ports, int):
            ports = free_ports(ports)
        scaler = Scaler(PROGRAM, self.folder, ports, *more, **options)
        self.addCleanup(scaler.clean)
        return scaler

    def gone(self, scaler):
        for pid in scaler.pids().values():
            self.assertFalse(alive(pid))

    def ends(self, scaler, number=signal.SIGTERM):
        self.assertEqual(scaler.end(number), 0, scaler.error_text())
        self.gone(scaler)


class Load(Live):
    def rises_and_falls(self, **options):
        self.load(waiting=5)
        s = self.scaler(6, max=4, **options)
        s.ready(1)
        self.load(waiting=40)
        s.ready(4)
        self.load(waiting=0)
        d = s.decision("one again", lambda d: d["to"] == 1 and
                       d["replicas"] == 1, s.now())
        self.assertEqual(d["min"], 1)
        self.ends(s)
        self.assertLessEqual(max(d["to"] for d in s.events("decision")), 4)
        self.assertEqual(s.events("error") + s.events("kill"), [])
        return s

    def test_pods_start_with_load_and_stop_without(self):
        s = self.rises_and_falls()
        reasons = {d["reason"] for d in s.events("decision")}
        self.assertIn("above target", reasons)
        self.assertIn("all metrics below target", reasons)
        self.assertEqual(len(s.events("stopped")), len(s.events("start")))

    def test_kpa(self):
        self.rises_and_falls(strategy="kpa")

    def test_hpa(self):
        self.rises_and_falls(strategy="hpa")

    def test_a_quantile_of_a_histogram(self):
        self.load(ttft=[0.5] * 20)
        s = self.scaler(3, metric="time_to_first_token_seconds:p95",
                        target="0.1")
        s.ready(3)
        self.ends(s)

    def test_who_has_least_to_do_is_stopped(self):
        ports = free_ports(3)
        for port in ports:
            self.load(str(port), waiting=5, running=3)
        s = self.scaler(ports, replicas=3)
        s.ready(3)
        self.load(str(ports[1]), waiting=0, running=1)
        self.load(str(ports[0]), waiting=1, running=3)
        self.load(str(ports[2]), waiting=4, running=3)
        stop = s.event("stop")["port"]
        told = [e for e in s.events("silent") + s.events("heard")
                if e["port"] == stop]
        if len(told) % 2 == 0:  # a pod that is silent goes before
            self.assertEqual(stop, ports[1])
        self.ends(s)


class Ahead(Live):
    def scaler(self, ports, **options):
        return super().scaler(
            ports, max=3, strategy="tpa", metric=None, itl="50ms",
            step="10ms,20ms,0.02ms", start_up="100ms",
            state=f"{self.folder}/state", **{"rate-window": "1s", **options})

    def test_tpa_asks_for_what_tokens_need(self):
        self.load(rps=1, running=2)
        ports = free_ports(5)
        s = self.scaler(ports)
        d = s.decision("a forecast", lambda d: d["demand"]["forecast"])
        self.assertGreater(d["demand"]["capacity"], 0)
        self.assertEqual(d["ready"], 1)
        self.load(rps=40, running=40, waiting=10)
        s.ready(3)
        d = s.decision("the limit", lambda d: d["wanted"] > 3, s.now())
        self.assertEqual(d["demand"]["reason"],
                         "more comes than pods can bear")
        s.send(signal.SIGKILL)
        s.finish()

        # Nobody has to be asked to know that.
        self.load(mode="status")
        s = self.scaler(ports)
        d = s.decision("what was learned", lambda d: True)
        self.assertEqual((d["tick"], d["replicas"]), (1, 3))
        self.assertGreater(d["demand"]["capacity"], 0)
        self.ends(s)


class Faults(Live):
    def pair(self, **options):
        self.load(waiting=5)
        s = self.scaler(4, max=2, replicas=2, **options)
        s.ready(2)
        return s

    def test_a_hung_pod_holds_nothing_and_is_not_idle(self):
        s = self.pair(fresh="500ms")
        hung = s.events("ready")[0]
        os.kill(hung["pid"], signal.SIGSTOP)
        since = s.now()
        s.event("silent", port=hung["port"])
        for tick in range(10):
            d = s.decision("decisions go on", lambda d: d["missing"] == 1,
                           since)
            since = s.said.index(d) + 1
            self.assertEqual((d["to"], d["ready"]), (2, 2))
            self.assertIsNone(d["values"]["num_requests_waiting"]
                              [str(hung["port"])])
        os.kill(hung["pid"], signal.SIGCONT)
        s.event("heard", port=hung["port"])
        self.ends(s)

    def test_a_hung_pod_is_replaced_where_that_is_wanted(self):
        s = self.pair(fresh="500ms", hung="1s", grace="100ms")
        hung = s.events("ready")[0]
        os.kill(hung["pid"], signal.SIGSTOP)
        since = s.now()
        s.event("hung", port=hung["port"])
        again = s.event("ready", since, port=hung["port"])
        self.assertNotEqual(again["pid"], hung["pid"])
        self.ends(s)

    def test_a_pod_that_is_killed_is_replaced(self):
        s = self.pair()
        victim = s.events("ready")[1]
        since = s.now()
        os.kill(victim["pid"], signal.SIGKILL)
        died = s.event("died", since, port=victim["port"])
        self.assertEqual(died["text"], "has ended by signal 9")
        again = s.event("ready", since, port=victim["port"])
        self.assertNotEqual(again["pid"], victim["pid"])
        self.assertEqual({d["to"] for d in s.events("decision", since)}, {2})
        self.ends(s)

    def test_a_pod_that_crashes_is_started_ever_later(self):
        self.load(start="crash")
        s = self.scaler(1)
        s.wait("the longest wait", lambda e: e["event"] == "wait" and
               e["text"] == "starts again in 1.000 s")
        waits = [e["text"].split()[3] for e in s.events("wait")]
        self.assertEqual(waits[:6], ["0.050", "0.100", "0.200", "0.400",
                                     "0.800", "1.000"])
        self.assertEqual(s.events("died")[0]["text"],
                         "has ended with status 3")
        self.load(waiting=5)
        s.ready(1)
        self.ends(s)

    def test_a_pod_that_never_gets_ready_is_started_anew(self):
        self.load(start="hold")
        s = self.scaler(1, start_timeout="300ms")
        s.event("slow")
        self.load(waiting=5)
        s.event("start", s.now())
        self.ends(s)

    def test_pages_that_are_none_are_refused_and_hold_nobody(self):
        ports = free_ports(2)
        self.load(waiting=5)
        s = self.scaler(ports, replicas=2, fresh="500ms", page_bytes="1M",
                        timeout="450ms", tick="500ms", down_window="1h")
        since = s.said.index(s.ready(2))
        for mode, says in [
                ("line", "page too large"), ("endless", "page too large"),
                ("header", "header too large"), ("status", "not status 200"),
                ("redirect", "a redirect, not a page"),
                ("html", "nothing of this engine's on its page"),
                ("quiet", "no answer in time")]:
            self.load(str(ports[0]), mode=mode)
            s.wait(mode, lambda e: e["event"] == "silent" and
                   e["port"] == ports[0] and e["text"].endswith(says), since)
            d = s.decision("the other counts", lambda d: d["values"][
                "num_requests_waiting"].get(str(ports[1])) == 5.0, s.now())
            self.assertEqual(d["to"], 2)
            since = s.now()
            self.load(str(ports[0]), waiting=5)
            since = s.said.index(s.event("heard", since, port=ports[0]))
        with open(f"/proc/{s.process.pid}/status") as file:
            peak = [line.split()[1] for line in file if "VmHWM" in line][0]
        self.assertLess(int(peak), 200 << 10)
        self.ends(s)

    def test_a_port_of_another_program_is_passed_over(self):
        ports = free_ports(2)
        self.load(waiting=5)
        with socket.socket() as other:
            other.bind(("127.0.0.1", ports[0]))
            other.listen()
            s = self.scaler(ports, max=1)
            s.event("taken", port=ports[0])
            s.event("ready", port=ports[1])
            self.ends(s)


class Ends(Live):
    def test_the_deaf_are_killed_and_workers_end_with_their_pod(self):
        # Workers hear nothing; one of the pods does.
        ports = free_ports(2)
        self.load(waiting=5, worker=True)
        self.load(str(ports[0]), waiting=5, worker=True, deaf=True)
        s = self.scaler(ports, replicas=2, grace="2s")
        s.ready(2)
        workers = []
        for port in s.ports:
            with open(f"{self.folder}/{port}.worker") as file:
                workers.append(int(file.read()))
        self.assertTrue(all(alive(pid) for pid in workers))
        self.ends(s)
        self.assertIn(ports[0], [e["port"] for e in s.events("kill")])
        for pid in workers:
            wait_ended(pid)

    def test_a_second_signal_does_not_wait(self):
        self.load(waiting=5, deaf=True)
        s = self.scaler(1, grace="1h")
        s.ready(1)
        s.send(signal.SIGINT)
        s.event("end")
        self.ends(s, signal.SIGINT)

    def test_pods_are_not_left_where_nobody_could_take_them_over(self):
        self.load(waiting=5)
        s = self.scaler(1)
        s.ready(1)
        s.send(signal.SIGUSR1)
        s.event("no-state")
        s.decision("it goes on", lambda d: True, s.now())
        self.ends(s)

    def test_so_many_ticks(self):
        self.load(waiting=5)
        s = self.scaler(1, ticks=3)
        self.assertEqual(s.finish(), 0)
        self.assertEqual(len(s.events("decision")), 3)
        self.gone(s)

    def test_pods_inherit_nothing_and_their_words_are_kept(self):
        ports = free_ports(2)
        printed = []  # a pipe of each pod, written to when it has printed
        for port in ports:
            path = f"{self.folder}/{port}.printed"
            os.mkfifo(path)
            printed.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            self.addCleanup(os.close, printed[-1])
        with open(f"{self.folder}/held", "w") as held:
            os.set_inheritable(held.fileno(), True)
            s = self.scaler(ports, replicas=2, words=[
                "/bin/sh", "-c", "echo $0 $1; ls /proc/$$/fd; "
                "echo >\"$2\"; exec sleep 1000", "{index}-{port}",
                "a b {port}x", self.folder + "/{port}.printed"],
                **{"log-dir": self.folder})
            for i, port in enumerate(ports):
                wait_readable("what pods print", printed[i])
                with open(f"{self.folder}/{port}.log") as file:
                    lines = file.read().split("\n")
                self.assertEqual(lines[0], f"{i}-{s.ports[i]} a b "
                                 f"{s.ports[i]}x")
                self.assertEqual(lines[1:], ["0", "1", "2", ""])
            self.ends(s)


class Memory(Live):
    def run_again(self, ports, **options):
        return self.scaler(ports, max=3, state=f"{self.folder}/state",
                           **options)

    def test_a_next_run_goes_on_with_pods_and_what_was_decided(self):
        self.load(waiting=40)
        ports = free_ports(5)
        s = self.run_again(ports)
        s.ready(3)
        first = s.pids()
        s.send(signal.SIGKILL)
        s.finish()
        self.assertTrue(all(map(alive, first.values())))

        # The load is gone; an hour that was remembered is not over.
        self.load(waiting=0)
        s = self.run_again(ports, down_window="1h")
        d = s.ready(3)
        self.assertEqual(s.pids(), first)
        self.assertEqual(s.events("start"), [])
        d = s.decision("held", lambda d: d["wanted"] == 0 or d["wanted"] == 1)
        self.assertEqual((d["to"], d["held_by"]), (3, "down window"))

        # Left alone; one dies while nobody looks.
        self.assertEqual(s.end(signal.SIGUSR1), 0)
        self.assertTrue(all(map(alive, first.values())))
        lost = min(first)
        os.kill(first[lost], signal.SIGKILL)
        wait_ended(first[lost])
        s = self.run_again(ports, down_window="1h")
        s.event("gone", port=lost)
        s.ready(3)
        self.assertEqual(len(s.events("adopt")), 2)
        self.assertEqual(len(s.events("start")), 1)

        # An adopted pod's end is seen as any other's.
        kept = s.events("adopt")[0]
        os.kill(kept["pid"], signal.SIGKILL)
        s.event("died", port=kept["port"], text="has ended")
        s.event("ready", s.now(), port=kept["port"])
        self.ends(s)

        # All were stopped: as many are started, of those that may be.
        s = self.scaler(ports, max=2, state=f"{self.folder}/state",
                        down_window="1h")
        s.ready(2)
        self.assertEqual(len(s.events("start")), 2)
        self.ends(s)

    def test_a_file_that_is_damaged_does_not_keep_it_from_starting(self):
        self.load(waiting=5)
        ports = free_ports(3)
        s = self.run_again(ports)
        s.ready(1)
        self.ends(s)
        with open(f"{self.folder}/state", "rb") as file:
            whole = file.read()
        at = whole.index(b"\nstate ") + 30
        for wrong in (b"", b"\0" * 5000, whole[:40], whole[:-1],
                      whole + b"x", b"autoscale_live 2" + whole[16:],
                      whole.replace(b"replicas 1", b"replicas -1"),
                      whole.replace(b"\nstate", b"\npod 1 2\nstate"),
                      whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]):
            with open(f"{self.folder}/state", "wb") as file:
                file.write(wrong)
            s = self.run_again(ports, ticks=1)
            self.assertEqual(s.finish(), 0)
            self.assertIn("is damaged", s.error_text())
            self.gone(s)

    def test_other_options_keep_pods_and_begin_windows_anew(self):
        self.load(waiting=5)
        ports = free_ports(3)
        s = self.run_again(ports)
        s.ready(1)
        pids = s.pids()
        self.assertEqual(s.end(signal.SIGUSR1), 0)
        s = self.run_again(ports, strategy="kpa")
        s.ready(1)
        self.assertEqual(s.pids(), pids)
        self.ends(s)
        self.assertIn("is of other options", s.error_text())

    def test_a_number_that_is_another_process_by_now_is_left_alone(self):
        self.load(waiting=5)
        ports = free_ports(3)
        s = self.run_again(ports)
        s.ready(1)
        self.assertEqual(s.end(signal.SIGUSR1), 0)
        with open(f"{self.folder}/state", "rb") as file:
            head, pod, rest = file.read().partition(b"\npod ")
        words = rest.split(b" ", 3)
        words[2] = b"%d" % (int(words[2]) - 1)  # born before
        with open(f"{self.folder}/state", "wb") as file:
            file.write(head + pod + b" ".join(words))
        stranger = int(words[1])
        s = self.run_again(ports)
        s.event("gone")
        s.event("taken")
        s.ready(1)
        self.ends(s)
        self.assertTrue(alive(stranger))
        os.killpg(stranger, signal.SIGKILL)
        wait_ended(stranger)

    def test_two_do_not_share_a_state(self):
        self.load(waiting=5)
        ports = free_ports(3)
        first = self.run_again(ports)
        first.ready(1)
        second = self.run_again(ports)
        self.assertEqual(second.finish(), 1)
        self.assertIn("another autoscale_live has it", second.error_text())
        self.ends(first)

    def test_a_state_that_cannot_be_written_stops_nothing(self):
        self.load(waiting=5)
        os.mkdir(f"{self.folder}/state.new")
        s = self.run_again(free_ports(3))
        s.ready(1)
        self.ends(s)
        self.assertIn("not saved: Is a directory", s.error_text())


class Gateway(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        data = self.server.page.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Zero(Live):
    PAGE = ('# TYPE queue gauge\nqueue{{model="other"}} 9\n'
            'queue{{model="llama",pod="a"}} {}\n'
            'queue{{model="llama",pod="b"}} 1e0\n')

    def gateway(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
        server.status = 200
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def test_nothing_waits_and_no_pod_is_there(self):
        server = self.gateway()
        server.page = self.PAGE.format(0).replace("1e0", "0")
        self.load(waiting=0)
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        s = self.scaler(4, "--gateway-label", "model=llama", min=0, max=2,
                        replicas=1, zero_grace="200ms", gateway_url=url,
                        gateway_metric="queue", fresh="1s")
        s.decision("zero", lambda d: d["to"] == 0 and d["queued"] == 0)
        s.decision("asleep", lambda d: d["replicas"] == 0 and
                   d["reason"] == "no replicas and nothing queued")
        server.page = self.PAGE.format(2)
        d = s.decision("awake", lambda d: d["replicas"] == 0 and d["to"] == 1)
        self.assertEqual(d["queued"], 3)
        s.ready(1)

        # While it does not tell, the last pod stays.
        server.status = 503
        since = s.now()
        s.event("gateway-silent", since)
        d = s.decision("unknown", lambda d: d["queued"] is None, since)
        since = s.said.index(d)
        for i in range(8):
            d = s.decision("the last pod stays", lambda d: True, since)
            since = s.said.index(d) + 1
            self.assertEqual(d["to"], 1)
        server.page = self.PAGE.format(0).replace("1e0", "0")
        server.status = 200
        s.decision("zero again", lambda d: d["replicas"] == 0, since)
        self.ends(s)


class Rest(Live):
    def test_a_schedule(self):
        self.load(waiting=0)
        s = self.scaler(3, "--schedule",
                        "name=day,start=12:00,end=12:00,min=2,max=3")
        d = s.ready(2)
        self.assertEqual((d["schedule"], d["min"], d["max"]), ("day", 2, 3))
        self.ends(s)

    def test_its_own_page(self):
        self.load(waiting=5)
        port = free_ports(1)[0]
        s = self.scaler(2, listen=str(port))
        ready = s.event("ready")
        s.ready(1)
        url = f"http://127.0.0.1:{port}"
        slow = [socket.create_connection(("127.0.0.1", port))
                for i in range(3)]
        for each in slow:
            self.addCleanup(each.close)
        slow[0].sendall(b"GET /metr")
        with urllib.request.urlopen(url + "/metrics", timeout=HANG_S) as page:
            text = page.read().decode()
        self.assertIn("\nautoscale_replicas 1.0\n", text)
        self.assertIn(f'autoscale_pod_ready{{port="{ready["port"]}"}} 1\n',
                      text)
        self.assertIn('autoscale_pods{phase="ready"} 1\n', text)
        with self.assertRaises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(url + "/else", timeout=HANG_S)
        self.assertEqual(error.exception.code, 404)
        error.exception.close()
        slow[1].sendall(b"x" * 4000)
        self.assertTrue(slow[1].recv(100).startswith(b"HTTP/1.1 431 "))
        slow[0].sendall(b"ics HTTP/1.1\r\n\r\n")
        self.assertTrue(slow[0].recv(100).startswith(b"HTTP/1.1 200 "))
        self.ends(s)

    def test_text_for_people(self):
        self.load(waiting=5)
        port = free_ports(1)[0]
        done = subprocess.run(
            [PROGRAM, "--ports", str(port), "--metric",
             "num_requests_waiting", "--target", "5", "--tick", "100ms",
             "--ticks", "2", "--command", "sh -c 'exec sleep  \"1000\"'"],
            capture_output=True, text=True, timeout=HANG_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^20\S+Z pod %d \(\d+\): started$"
                         % port)
        self.assertRegex(done.stdout, r"(?m)^20\S+Z replicas 1: .*; 0 ready, "
                         r"1 coming$")

    def test_options(self):
        good = {"--ports": "21000-21003", "--metric": "num_requests_waiting",
                "--target": "5", "--command": "sleep 1000"}
        for change, says in [
                ({"--ports": None}, "--ports is needed"),
                ({"--command": None}, "--command is needed"),
                ({"--metric": None, "--target": None}, "--metric and"),
                ({"--target": None}, "has no --target behind it"),
                ({"--ports": "0"}, "--ports 0: not of the form"),
                ({"--ports": "9-8"}, "not of the form"),
                ({"--ports": "1-70000"}, "not of the form"),
                ({"--ports": "1-1000"}, "more than 256"),
                ({"--ports": "8,8"}, "a port twice"),
                ({"--ports": "8,"}, "not of the form"),
                ({"--metric": "speed"}, "no such metric"),
                ({"--metric": "prompt_tokens_total"}, "only grows"),
                ({"--metric": "num_requests_waiting:p95"}, "has none"),
                ({"--metric": "time_to_first_token_seconds:p101"}, "not p1"),
                ({"--metric": "time_to_first_token_seconds:x"}, "may follow"),
                ({"--metric": "x" * 3000}, "no such metric"),
                ({"--target": "0"}, "must be a number"),
                ({"--target": "nan"}, "must be a number"),
                ({"--target": "5x"}, "must be a number"),
                ({"--command": "no-such-program-here 1"}, "no such program"),
                ({"--command": "/no/such 1"}, "No such file"),
                ({"--command": "sh 'x"}, "a quote that is not closed"),
                ({"--command": " "}, "--command is needed"),
                ({"--max": "5"}, "more than there are --ports"),
                ({"--min": "3", "--max": "2"}, "--min is above --max"),
                ({"--min": "0"}, "give --gateway-url"),
                ({"--min": "-1"}, "not a whole number"),
                ({"--replicas": "9"}, "more than there are"),
                ({"--strategy": "fast"}, "apa or kpa or hpa or tpa"),
                ({"--strategy": "tpa"}, "tpa takes no --metric"),
                ({"--metric": None, "--target": None, "--strategy": "tpa",
                  "--engine": "trtllm"}, "lacks what it needs"),
                ({"--metric": None, "--target": None, "--strategy": "tpa",
                  "--profile": "compat"}, "no profile compat"),
                ({"--step": "10ms,20ms"}, "not of the form 10ms"),
                ({"--step": "10ms,20ms,1ms,"}, "not of the form 10ms"),
                ({"--ttft": "x"}, "not a time"),
                ({"--profile": "x"}, "default or compat"),
                ({"--engine": "x"}, "must be vllm"),
                ({"--engine": "trtllm"}, "does not tell it"),
                ({"--tick": "1x"}, "not a time"),
                ({"--tick": "1ms"}, "must be between"),
                ({"--tick": "1s", "--timeout": "1s"}, "shorter than --tick"),
                ({"--hung": "1s"}, "--hung must be two --tick"),
                ({"--stable": "1h", "--panic": "10ms"}, "go together"),
                ({"--stable": "15ms"}, "multiples of 10ms"),
                ({"--up": "4"}, "4/15s"),
                ({"--down": "0/1s"}, "4/15s"),
                ({"--up-tolerance": "-1"}, "not a number"),
                ({"--down-tolerance": "1"}, "go together"),
                ({"--backoff": "10s", "--backoff-max": "1s"}, "below"),
                ({"--schedule": "name=x"}, "not of the form"),
                ({"--schedule": "name=x,start=9,end=10:00,min=1"}, "none"),
                ({"--schedule": "name=x,start=11:00,end=10:00"}, "no bound"),
                ({"--schedule": "name=x,start=01:00,end=10:00,min=0"},
                 "give --gateway-url"),
                ({"--schedule": "name=x,days=Xyz,start=01:00,end=10:00,"
                  "min=1"}, "none"),
                ({"--zone": "../../etc/passwd"}, "no such zone"),
                ({"--gateway-url": "http://x"}, "belong together"),
                ({"--gateway-url": "file:///etc/passwd",
                  "--gateway-metric": "x"}, "not http://"),
                ({"--gateway-label": "x"}, "NAME=VALUE"),
                ({"--path": "metrics"}, "does not begin with /"),
                ({"--page-bytes": "1"}, "must be between"),
                ({"--nonsense": "1"}, "nonsense")]:
            args = [word for name, value in (good | change).items()
                    if value is not None for word in (name, value)]
            done = subprocess.run([PROGRAM, *args], capture_output=True,
                                  text=True, timeout=HANG_S)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertIn(says, done.stderr, args)
        for args, says in [(["more"], "more: not an option"),
                           (["--target", "5"], "belongs behind")]:
            done = subprocess.run([PROGRAM, *args], capture_output=True,
                                  text=True, timeout=HANG_S)
            self.assertEqual(done.returncode, 2)
            self.assertIn(says, done.stderr)
        for listen in ("x", "0", "1.2.3:80"):
            done = subprocess.run(
                [PROGRAM, *(w for kv in good.items() for w in kv),
                 "--listen", listen], capture_output=True, text=True,
                timeout=HANG_S)
            self.assertEqual(done.returncode, 1)
            self.assertIn("not of the form 9090", done.stderr)

    def test_help(self):
        done = subprocess.run([PROGRAM, "--help"], capture_output=True,
                              text=True, timeout=HANG_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("--gateway-url", "SIGUSR1", "  num_requests_waiting\n",
                     "  time_to_first_token_seconds:mean, :p95, :rate\n"):
            self.assertIn(word, done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.split("\n"))), 80)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=1)
