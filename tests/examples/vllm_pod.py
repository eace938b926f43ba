#!/usr/bin/env python3
"""A pod whose page is that of a vLLM server, and whose load a test sets.

usage: vllm_pod.py PORT FOLDER

Reads FOLDER/PORT.json, or else FOLDER/all.json, at each request and at its
start:

  waiting, running   requests
  rps                requests that end in a second, of 512 and 128 tokens
  mode               page; line, endless, header, status, redirect, html,
                     quiet (never answers)
  start              crash, or hold: never listens
  deaf               true: SIGTERM is not heard
  worker             true: a child in its group, FOLDER/PORT.worker
"""
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
MODEL = 'engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"'
TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0,
        2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0)


def load():
    for name in (str(PORT), "all"):
        try:
            with open(f"{FOLDER}/{name}.json") as file:
                return json.load(file)
        except FileNotFoundError:
            pass
    return {}


class Done:
    """Requests that have ended: the load over the time."""
    lock = threading.Lock()
    requests, rps, at = 0.0, 0.0, time.monotonic()

    @classmethod
    def count(cls, rps):
        with cls.lock:
            now = time.monotonic()
            cls.requests += cls.rps * (now - cls.at)
            cls.rps, cls.at = rps, now
            return cls.requests


def mean_histogram(name, text, mean, count):
    """All values in one bucket."""
    yield f"# HELP vllm:{name} {text}"
    yield f"# TYPE vllm:{name} histogram"
    for edge in (mean / 2, mean * 2, "+Inf"):
        n = 0.0 if edge == mean / 2 else count
        yield f'vllm:{name}_bucket{{{MODEL},le="{edge}"}} {n}'
    yield f"vllm:{name}_count{{{MODEL}}} {count}"
    yield f"vllm:{name}_sum{{{MODEL}}} {count * mean}"


def histogram(name, text, edges, values):
    yield f"# HELP vllm:{name} {text}"
    yield f"# TYPE vllm:{name} histogram"
    for edge in (*edges, float("inf")):
        le = "+Inf" if edge == float("inf") else str(edge)
        n = float(sum(value <= edge for value in values))
        yield f'vllm:{name}_bucket{{{MODEL},le="{le}"}} {n}'
    yield f"vllm:{name}_count{{{MODEL}}} {float(len(values))}"
    yield f"vllm:{name}_sum{{{MODEL}}} {sum(values)}"


def page(now):
    yield "# HELP python_info Python platform information"
    yield "# TYPE python_info gauge"
    yield 'python_info{implementation="CPython",major="3",minor="12"} 1.0'
    for name, text, value in (
            ("num_requests_running",
             "Number of requests in model execution batches.",
             now.get("running", 0)),
            ("num_requests_waiting",
             "Number of requests waiting to be processed.",
             now.get("waiting", 0)),
            ("kv_cache_usage_perc",
             "KV-cache usage. 1 means 100 percent usage.", 0.25)):
        yield f"# HELP vllm:{name} {text}"
        yield f"# TYPE vllm:{name} gauge"
        yield f"vllm:{name}{{{MODEL}}} {float(value)}"
    yield "# HELP vllm:request_success_total Count of finished requests."
    yield "# TYPE vllm:request_success_total counter"
    done = Done.count(now.get("rps", 0))
    for reason, n in (("stop", done), ("length", 0.0), ("abort", 0.0)):
        yield (f'vllm:request_success_total{{{MODEL},'
               f'finished_reason="{reason}"}} {n}')
    for name, tokens in (("prompt_tokens", 512), ("generation_tokens", 128),
                         ("prefix_cache_queries", 512),
                         ("prefix_cache_hits", 0)):
        yield f"# HELP vllm:{name}_total Number of tokens."
        yield f"# TYPE vllm:{name}_total counter"
        yield f"vllm:{name}_total{{{MODEL}}} {done * tokens}"
    for name, mean, n in (("request_prompt_tokens", 512, 1),
                          ("request_generation_tokens", 128, 1),
                          ("inter_token_latency_seconds", 0.02, 127)):
        yield from mean_histogram(name, "Histogram.", mean, done * n)
    yield from histogram("time_to_first_token_seconds",
                         "Histogram of time to first token in seconds.",
                         TTFT, now.get("ttft", [0.03, 0.05, 0.3]))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def head(self, status, *lines):
        self.send_response(status)
        for name, value in lines:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def endless(self, chunk):
        self.head(200, ("Content-Type", "text/plain"))
        while True:
            self.wfile.write(chunk)

    def do_GET(self):
        now = load()
        mode = now.get("mode", "page")
        text = "\n".join(page(now)) + "\n"
        if mode == "quiet":
            self.rfile.read(1)  # until whoever asked has gone
            return None
        if mode == "line":
            text = "vllm:num_requests_waiting{a=\"" + "x" * (10 << 20)
        elif mode == "endless":
            return self.endless(text.encode())
        elif mode == "header":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X-More: " + b"y" * 1000 + b"\r\n")
        elif mode == "status":
            return self.head(500, ("Content-Length", "0"))
        elif mode == "redirect":
            return self.head(302, ("Location", f"{FOLDER}/elsewhere"),
                             ("Content-Length", "0"))
        elif mode == "html":
            text = "<html><body>vllm: it works</body></html>\n"
        data = text.encode()
        self.head(200, ("Content-Type", "text/plain; version=0.0.4"),
                  ("Content-Length", str(len(data))))
        self.wfile.write(data)

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # whoever asked has gone


def main():
    now = load()
    if now.get("start") == "crash":
        sys.exit(3)
    if now.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if now.get("worker"):
        worker = subprocess.Popen(
            [sys.executable, "-c", "import signal; signal.signal("
             "signal.SIGTERM, signal.SIG_IGN); print(flush=True); "
             "signal.pause()"], stdout=subprocess.PIPE)
        worker.stdout.readline()  # from now on it hears nothing
        with open(f"{FOLDER}/{PORT}.worker", "w") as file:
            file.write(str(worker.pid))
    if now.get("start") == "hold":
        signal.pause()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    server.daemon_threads = True
    print(f"pod {PORT} listens", flush=True)
    server.serve_forever(poll_interval=60)


main()
