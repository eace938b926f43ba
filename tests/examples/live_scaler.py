"""autoscale_live under test: its pods, what it says, and waiting for that."""
import json
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time

HANG_S = 60
POD = str(pathlib.Path(__file__).with_name("vllm_pod.py"))
# Short windows; a pod that starts a second late under load is no failure.
QUICK = {"--tick": "100ms", "--timeout": "90ms", "--fresh": "2s",
         "--stable": "200ms", "--panic": "100ms", "--down-window": "300ms",
         "--up": "8/100ms", "--down": "8/100ms", "--grace": "20s",
         "--backoff": "50ms", "--backoff-max": "1s", "--target": "5"}


def free_ports(count):
    """Below those that the kernel gives to connections."""
    found = []
    while len(found) < count:
        port = random.randrange(21000, 31000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def alive(pid):
    """Runs, and is not only waiting to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_readable(what, fd):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(HANG_S * 1000):
        raise AssertionError(f"waited in vain for {what}")


def wait_ended(pid):
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        wait_readable(f"the end of {pid}", fd)
    finally:
        os.close(fd)


# Nobody is there, and nobody is to be asked.
PROXIES = {name: "http://127.0.0.1:1"
           for name in ("http_proxy", "https_proxy", "all_proxy",
                        "HTTP_PROXY", "ALL_PROXY")}


class Scaler:
    """One run.  options override QUICK; None leaves one out."""

    def __init__(self, program, folder, ports, *more, words=None, **options):
        self.folder, self.ports, self.said = folder, ports, []
        given = dict(QUICK)
        for name, value in options.items():
            given["--" + name.replace("_", "-")] = value
        metric = given.pop("--metric", "num_requests_waiting")
        target = given.pop("--target")
        args = [program, "--json", "--ports", ",".join(map(str, ports)), *more]
        if metric:
            args += ["--metric", metric, "--target", target]
        for name, value in given.items():
            if value is not None:
                args += [name, str(value)]
        args += ["--", *(words or [sys.executable, "-S", POD, "{port}",
                                   str(folder)])]
        self.errors = open(f"{folder}/errors.{len(os.listdir(folder))}",
                           "w+")
        self.process = subprocess.Popen(
            args, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            close_fds=False,  # what a test makes inheritable is passed on
            env={**os.environ, **PROXIES})
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.said.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.said.append({"event": "eof"})
            self.changed.notify_all()

    def error_text(self):
        self.errors.flush()
        with open(self.errors.name) as file:
            return file.read()

    def wait(self, what, condition, since=0):
        """The first line from since on for which condition holds."""
        end = time.monotonic() + HANG_S
        at = since
        with self.changed:
            while True:
                for line in self.said[at:]:
                    if line["event"] != "eof" and condition(line):
                        return line
                at = len(self.said)
                ended = at and self.said[-1]["event"] == "eof"
                if ended or time.monotonic() > end:
                    tail = "\n".join(map(json.dumps, self.said[-8:]))
                    raise AssertionError(f"waited in vain for {what}:\n{tail}"
                                         f"\n{self.error_text()}")
                self.changed.wait(1)

    def now(self):
        with self.changed:
            return len(self.said)

    def event(self, name, since=0, **fields):
        return self.wait(
            f"{name} {fields}",
            lambda line: line["event"] == name and
            all(line.get(k) == v for k, v in fields.items()), since)

    def decision(self, what, condition, since=0):
        return self.wait(what, lambda line: line["event"] == "decision" and
                         condition(line), since)

    def ready(self, count, since=0):
        return self.decision(
            f"{count} ready pods",
            lambda d: d["ready"] == count and d["coming"] == 0 and
            d["replicas"] == count, since)

    def events(self, name, since=0):
        with self.changed:
            return [e for e in self.said[since:] if e["event"] == name]

    def pids(self):
        """Those that were started or adopted, by port."""
        return {e["port"]: e["pid"] for e in self.said
                if e["event"] in ("start", "adopt")}

    def send(self, number):
        self.process.send_signal(number)

    def finish(self):
        code = self.process.wait(HANG_S)
        self.reader.join(HANG_S)
        return code

    def end(self, number=signal.SIGTERM):
        self.send(number)
        return self.finish()

    def clean(self):
        """For a test that failed: nothing stays."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(HANG_S)
        groups = {e["pid"] for e in
                  self.events("start") + self.events("adopt")}
        workers = pathlib.Path(self.folder).glob("*.worker")
        for pid in groups | {int(path.read_text()) for path in workers}:
            try:
                if os.getpgid(pid) in groups:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.stdout.close()
        self.errors.close()
