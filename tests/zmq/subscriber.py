"""A subscriber from Python, for the tests of this folder: they are given
LIBRARY ZMQ_LIBRARY as their first arguments.
"""
import ctypes
import errno
import pathlib
import socket
import sys
import time
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int,
                    c_uint32, c_uint64, c_void_p)

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))
import tap  # noqa: E402

try:
    import zmq  # noqa: F401
except ImportError:
    tap.skip("no zmq module for this interpreter")

core = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
lib = ctypes.CDLL(sys.argv[2])
HANG_S = 60
MS = 1000000
FOLLOW, GAP, LOST = 1, 2, 4
STALE, MISSING = 1, 2
E_INVAL, E_ABI, E_NOT_FOUND, E_STATE = -1, -3, -4, -10
BLOCK = 16


class Versioned(Structure):
    def __init__(self, **fields):
        super().__init__(**fields)
        self.size = ctypes.sizeof(self)


def fields(text, kind):
    return [(name, kind) for name in text.split()]


APPLY = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p, c_uint64)
CLEAR = CFUNCTYPE(None, c_void_p, c_uint32)


class Sink(Versioned):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("ctx", c_void_p),
                ("apply", APPLY), ("clear", CLEAR)]


class Opts(Versioned):
    _fields_ = [("size", c_uint32), ("hwm", c_uint32), ("context", c_void_p),
                ("sink", POINTER(Sink)), ("decoder", c_void_p),
                ("index", c_void_p),
                *fields("held_bytes message_bytes reconnect_ns "
                        "reconnect_max_ns replay_ns quiet_ns", c_uint64),
                ("alloc", c_void_p)]


class Stream(Versioned):
    _fields_ = [("size", c_uint32), ("owner", c_uint32),
                ("endpoint", c_char_p), ("replay", c_char_p),
                ("topic", c_char_p),
                *fields("rank flags hold_max window", c_uint32),
                ("keep_lost", c_uint64), ("state", c_void_p)]


class Stat(Versioned):
    _fields_ = [*fields("size connected phase flags", c_uint32),
                *fields("next held held_bytes batches bytes failed duplicates "
                        "gaps replays replays_failed restarts clears lost "
                        "degraded bad_messages connects disconnects",
                        c_uint64)]


class State(Versioned):
    _fields_ = [*fields("size phase flags held", c_uint32),
                *fields("next live print live_print held_first wanted "
                        "deadline_ns epoch applied duplicates gaps replays "
                        "failed lost", c_uint64)]


class EventOpts(Versioned):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("hash", c_void_p),
                ("engine_block_tokens", c_uint32), ("max_events", c_uint32),
                ("max_bytes", c_uint64), ("alloc", c_void_p)]


class Prompt(Versioned):
    _fields_ = [("size", c_uint32), ("n_items", c_uint32),
                ("tokens", POINTER(c_uint32)), ("n_tokens", c_uint64),
                ("items", c_void_p), ("lora", c_char_p), ("salt", c_char_p)]


def status(name, *args):
    library = lib if name.startswith("zmq_") else core
    return getattr(library, "aibrix_" + name)(*args)


def call(name, *args):
    got = status(name, *args)
    assert got == 0, f"{name}: {got}"


def new(name, *args):
    made = c_void_p()
    call(name + "_new", *args, byref(made))
    return made


for module in ("zmq", "index", "index_reader", "event", "hash"):
    library = lib if module == "zmq" else core
    getattr(library, f"aibrix_{module}_free").argtypes = [c_void_p]
    getattr(library, f"aibrix_{module}_free").restype = None


def tokens(block):
    """Block number block of the one long prompt of these tests."""
    return list(range(1000 + block * BLOCK, 1000 + (block + 1) * BLOCK))


class Ports:
    """n ports in a row that are nobody else's until close.

    Bound and not listening: whoever sets SO_REUSEADDR, as libzmq does, may
    listen there, and the kernel gives them to no other socket, not even to one
    that tries to reach an engine which is down.
    """

    def __init__(self, n, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        while True:
            self.held = [socket.socket(family) for _ in range(n)]
            try:
                self.first = 0
                for i, each in enumerate(self.held):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    each.bind((host, self.first + i if i else 0))
                    self.first = self.first or each.getsockname()[1]
                return
            except OverflowError:  # behind the last port
                self.close()
            except OSError as e:
                self.close()
                if e.errno != errno.EADDRINUSE:
                    raise

    def close(self):
        for each in self.held:
            each.close()


class Subscriber:
    """Own sink: the index; or a sink of Python's, which remembers."""

    def __init__(self, index=None, sink=None, **opts):
        self.hash = new("hash", None)
        self.index = index or new("index", None)
        self.reader = new("index_reader", self.index)
        self.decoder = new("event", byref(EventOpts(hash=self.hash)))
        self.sink = sink
        self.ahead_ns = 0  # of the clock, for tests that do not wait
        opts = {"reconnect_ns": 20 * MS, "reconnect_max_ns": 100 * MS, **opts}
        made = Opts(decoder=self.decoder, index=self.index, **opts)
        if sink:
            made.sink = ctypes.pointer(sink)
        self.zmq = new("zmq", byref(made))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lib.aibrix_zmq_free(self.zmq)
        core.aibrix_event_free(self.decoder)
        core.aibrix_index_reader_free(self.reader)
        core.aibrix_index_free(self.index)
        core.aibrix_hash_free(self.hash)

    def register(self, owner):
        status("index_owner_add", self.index, owner)

    def follow(self, engine, owner=0, **more):
        self.register(owner)
        more = {"endpoint": engine.endpoint.encode(),
                "replay": engine.replay and engine.replay.encode(), **more}
        call("zmq_add", self.zmq, byref(Stream(owner=owner, **more)))

    def poll(self, most=1000, timeout_ns=20 * MS):
        n = c_uint32()
        call("zmq_poll", self.zmq,
             c_uint64(time.monotonic_ns() + self.ahead_ns),
             c_uint64(timeout_ns), c_uint32(most), byref(n))
        return n.value

    def stat(self, owner=0):
        stat = Stat()
        call("zmq_stats", self.zmq, owner, byref(stat))
        return stat

    def matched(self, owner=0, first=0, n=64):
        """Leading blocks of the long prompt that owner holds."""
        text = sum(map(tokens, range(first, first + n)), [])
        prompt = Prompt(tokens=(c_uint32 * len(text))(*text),
                        n_tokens=len(text))
        hashes, made = (c_uint64 * n)(), c_uint64()
        call("hash_blocks", self.hash, byref(prompt), c_uint64(0), hashes,
             None, c_uint64(n), byref(made))
        blocks = (ctypes.c_double * (owner + 1))()
        call("index_match", self.reader, hashes, made, 0, blocks, owner + 1)
        return int(blocks[owner])

    def until(self, ready, what=""):
        end = time.monotonic() + HANG_S
        while not ready():
            self.poll()
            if time.monotonic() > end:
                stat = self.stat()
                raise AssertionError(what + " hangs: " + ", ".join(
                    f"{n} {getattr(stat, n)}" for n, _ in Stat._fields_))

    def until_matched(self, n, owner=0):
        self.until(lambda: self.matched(owner) == n and
                   self.stat(owner).phase == FOLLOW, f"{n} blocks")

    def until_connected(self, owner=0):
        self.until(lambda: self.stat(owner).connected and
                   self.stat(owner).phase in (0, FOLLOW), "connecting")

    def until_live(self, engine, owner=0):
        """Subscriptions travel: an engine may publish before it knows."""
        self.until_connected(owner)
        before = self.stat(owner).batches

        def seen():
            engine.command(**{"pass": 1})
            return self.stat(owner).batches > before
        self.until(seen, "the first live batch")
        self.until(lambda: self.stat(owner).phase == FOLLOW, "rest")
