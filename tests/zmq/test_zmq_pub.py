#!/usr/bin/env python3
"""The publisher against our subscriber and against plain pyzmq sockets.

usage: test_zmq_pub.py LIBRARY ZMQ_LIBRARY

Only hang bounds look at the clock.  Ports are free ones.
"""
import contextlib
import ctypes
import select
import time
from ctypes import (POINTER, Structure, byref, c_char_p, c_double, c_uint32,
                    c_uint64, c_void_p)

from subscriber import (APPLY, BLOCK, CLEAR, E_ABI, E_INVAL, HANG_S, MISSING,
                        STALE, Ports, Sink, Subscriber, Versioned, call,
                        fields, lib, status, tap, tokens, zmq)

E_IO = -20
BIND, NO_TOPIC = 1, 2
MAPS = 1
END = b"\xff" * 8
TURN_S = 0.001  # it is polled again though nothing has come


class PubOpts(Versioned):
    _fields_ = [("size", c_uint32), ("flags", c_uint32),
                ("endpoint", c_char_p), ("replay", c_char_p),
                ("topic", c_char_p),
                *fields("rank hwm keep peers", c_uint32),
                ("keep_bytes", c_uint64), ("context", c_void_p),
                ("alloc", c_void_p)]


class PubStat(Versioned):
    _fields_ = [*fields("size replaying", c_uint32),
                *fields("next kept kept_bytes bytes unsent replays replies "
                        "gone crowded too_old bad_requests", c_uint64)]


class Event(Structure):
    _fields_ = [*fields("type flags tier group kind n", c_uint32),
                ("parent", c_uint64), ("names", POINTER(c_uint64)),
                ("hashes", c_void_p), ("tokens", POINTER(c_uint32)),
                ("n_tokens", c_uint64),
                *fields("block_tokens spare", c_uint32),
                *fields("lora salt", c_char_p), ("extra", c_void_p),
                ("extra_bytes", c_uint64)]


class Encoding(Versioned):
    _fields_ = [*fields("size flags", c_uint32), ("time_s", c_double),
                *fields("rank spare", c_uint32)]


lib.aibrix_zmq_pub_free.argtypes = [c_void_p]
lib.aibrix_zmq_pub_free.restype = None
lib.aibrix_zmq_pub_fd.argtypes = [c_void_p]


def stored(first, n=1):
    names = [7000 + b for b in range(first, first + n)]
    ids = sum(map(tokens, range(first, first + n)), [])
    return Event(type=1, flags=1 if first else 0, n=n, block_tokens=BLOCK,
                 parent=7000 + first - 1 if first else 0,
                 names=(c_uint64 * n)(*names), n_tokens=len(ids),
                 tokens=(c_uint32 * len(ids))(*ids))


def removed(block):
    return Event(type=2, n=1, names=(c_uint64 * 1)(7000 + block))


class Publisher:
    """Has the names that Subscriber.follow wants of an engine."""

    def __init__(self, replay=True, **opts):
        self.ports = Ports(2)
        port = self.ports.first
        self.opts = {"endpoint": f"tcp://*:{port}".encode(), **opts}
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.replay = None
        if replay:
            self.replay = f"tcp://127.0.0.1:{port + 1}"
            self.opts["replay"] = f"tcp://*:{port + 1}".encode()
        self.open()

    def open(self):
        self.pub = c_void_p()
        call("zmq_pub_new", byref(PubOpts(**self.opts)), byref(self.pub))

    def close(self):
        lib.aibrix_zmq_pub_free(self.pub)

    def restart(self):
        self.close()
        self.open()

    def send(self, payload):
        seq = c_uint64()
        call("zmq_pub_send", self.pub, payload, c_uint64(len(payload)),
             byref(seq))
        return seq.value

    def events(self, *events, flags=0):
        encoding = Encoding(flags=flags, time_s=time.time())
        call("zmq_pub_events", self.pub, byref(encoding),
             (Event * len(events))(*events), len(events), None)

    def poll(self, most=1000):
        n = c_uint32()
        call("zmq_pub_poll", self.pub, most, byref(n))
        return n.value

    def stat(self):
        stat = PubStat()
        call("zmq_pub_stats", self.pub, byref(stat))
        return stat

    def stirs(self, most_s):
        """Whether its descriptor has something to say, within so long."""
        fd = lib.aibrix_zmq_pub_fd(self.pub)
        return fd >= 0 and bool(select.select([fd], [], [], most_s)[0])

    def until(self, ready, what):
        """Polled until then; what is not the publisher's, ready waits for."""
        end = time.monotonic() + HANG_S
        while not ready():
            self.stirs(TURN_S)
            self.poll()
            assert time.monotonic() < end, what + " hangs"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self.ports.close()


class Follower(Subscriber):
    """Whose publisher lives in the same thread."""

    def __init__(self, pub, **opts):
        super().__init__(**opts)
        self.pub = pub

    def poll(self, **more):
        self.pub.poll()
        return super().poll(timeout_ns=1000000, **more)

    def until_live(self, pub, owner=0):
        self.until_connected(owner)
        before = self.stat(owner).batches

        def seen():
            pub.events()
            return self.stat(owner).batches > before
        self.until(seen, "the first live batch")


class Plain:
    """Sockets as any subscriber has them."""

    def __init__(self, pub, hwm=1000):
        self.context, self.pub = zmq.Context(), pub
        self.sub = self.context.socket(zmq.SUB)
        self.sub.subscribe(b"")
        self.sub.connect(pub.endpoint)
        if pub.replay:
            self.dealer = self.asker(hwm)

    def asker(self, hwm=1000):
        dealer = self.context.socket(zmq.DEALER)
        dealer.set_hwm(hwm)
        dealer.connect(self.pub.replay)
        return dealer

    def live(self):
        self.pub.until(lambda: self.sub.poll(1), "a live message")
        return self.sub.recv_multipart()

    def listen(self):
        """Batches are sent until one arrives; its number."""
        def heard():
            self.pub.send(b"\x90")
            return self.sub.poll(1)
        self.pub.until(heard, "the first message")
        while self.sub.poll(50):
            last = self.sub.recv_multipart()
        return int.from_bytes(last[1], "big")

    def replayed(self, first, dealer=None):
        dealer = dealer or self.dealer
        dealer.send_multipart([b"", first.to_bytes(8, "big")])
        replies = []
        while not replies or replies[-1][-2] != END:
            self.pub.until(lambda: dealer.poll(1), "a reply")
            replies.append(dealer.recv_multipart())
        return replies

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)


def events_reach_the_index_of_a_subscriber():
    for flags in (0, MAPS):
        with Publisher() as pub, Follower(pub) as sub:
            sub.follow(pub)
            sub.until_live(pub)
            pub.events(stored(0, 3), flags=flags)
            sub.until_matched(3)
            pub.events(removed(2), flags=flags)
            sub.until_matched(2)
            pub.events(stored(2), stored(3), flags=flags)
            sub.until_matched(4)
            assert sub.stat().failed == 0 and sub.stat().lost == 0


def batches_from_before_the_connection_are_replayed():
    for flags in (0, NO_TOPIC):
        with Publisher(flags=flags, topic=b"kv") as pub, \
                Follower(pub) as sub:
            pub.events(stored(0, 2))
            pub.events(stored(2))
            sub.follow(pub)
            sub.until_matched(3)
            stat = sub.stat()
            assert stat.flags & (STALE | MISSING) == 0 and stat.restarts == 0


def live_messages_are_topic_number_and_payload():
    with Publisher(topic=b"kv-events", replay=False) as pub, \
            Plain(pub) as plain:
        number = plain.listen() + 1
        assert pub.send(b"\x93\xc0") == number
        assert pub.send(b"") == number + 1
        assert plain.live() == [b"kv-events", number.to_bytes(8, "big"),
                                b"\x93\xc0"]
        assert plain.live() == [b"kv-events", (number + 1).to_bytes(8, "big"),
                                b""]
        assert lib.aibrix_zmq_pub_fd(pub.pub) == -1


def replies_are_those_of_vllm_before_and_since_its_topics():
    for flags, topic in ((0, [b"kv"]), (NO_TOPIC, [])):
        with Publisher(topic=b"kv", flags=flags) as pub, Plain(pub) as plain:
            for number in range(4):
                assert pub.send(bytes([number])) == number
            assert plain.replayed(2) == [
                [b"", *topic, bytes(7) + b"\2", b"\2"],
                [b"", *topic, bytes(7) + b"\3", b"\3"],
                [b"", *topic, END, b""]]
            assert plain.replayed(4) == [[b"", *topic, END, b""]]
            assert plain.replayed(2 ** 64 - 1) == [[b"", *topic, END, b""]]
            stat = pub.stat()
            assert stat.replays == 3 and stat.replies == 2
            assert stat.replaying == 0 and stat.bytes == 4


def the_oldest_batches_make_room_by_number_and_by_bytes():
    for opts in ({"keep": 4}, {"keep_bytes": 400}):
        with Publisher(**opts) as pub, Plain(pub) as plain:
            for number in range(10):
                pub.send(bytes([number]) * 100)
            replies = plain.replayed(0)
            assert [r[-1][:1] for r in replies[:-1]] == [b"\6", b"\7", b"\x08",
                                                         b"\x09"]
            stat = pub.stat()
            assert stat.kept == 4 and stat.kept_bytes == 400
            assert stat.too_old == 1 and stat.next == 10


def a_batch_larger_than_all_that_is_kept_stays_alone():
    with Publisher(keep_bytes=100) as pub, Plain(pub) as plain:
        pub.send(b"1")
        pub.send(b"2" * 1000)
        assert [r[-1] for r in plain.replayed(0)] == [b"2" * 1000, b""]
        pub.send(b"3")
        assert [r[-1] for r in plain.replayed(0)] == [b"3", b""]


def what_a_slow_subscriber_loses_it_is_given_again():
    seen = []

    @APPLY
    def apply(_, owner, payload, n):
        seen.append(ctypes.string_at(payload, 8))
        return 0

    @CLEAR
    def clear(_, owner):
        seen.clear()

    with Publisher(hwm=1) as pub, \
            Follower(pub, hwm=1, sink=Sink(apply=apply, clear=clear)) as sub:
        sub.follow(pub)
        sub.until_live(pub)
        begun = pub.stat().next
        big = bytes(100000)
        for number in range(begun, begun + 400):
            pub.send(number.to_bytes(8, "big") + big)
        sub.until(lambda: sub.stat().next == begun + 400, "all of them")
        stat = sub.stat()
        assert stat.gaps > 0 and stat.lost == 0
        assert seen[-400:] == [number.to_bytes(8, "big")
                               for number in range(begun, begun + 400)]


def a_restarted_publisher_has_nothing_left():
    with Publisher() as pub, Follower(pub) as sub:
        sub.follow(pub)
        sub.until_live(pub)
        pub.events(stored(0, 5))
        sub.until_matched(5)
        pub.restart()
        assert pub.stat().next == 0
        pub.events(stored(0, 2))
        sub.until_matched(2)
        assert sub.stat().restarts == 1


def a_replay_ends_with_what_was_published_when_it_was_asked_for():
    with Publisher() as pub, Plain(pub) as plain:
        for number in range(3):
            pub.send(b"")
        plain.dealer.send_multipart([b"", bytes(8)])
        while pub.poll(1) == 0:
            assert pub.stirs(HANG_S), "the first reply hangs"
        pub.send(b"later")
        replies = [plain.dealer.recv_multipart()]
        while replies[-1][-2] != END:
            pub.until(lambda: plain.dealer.poll(1), "a reply")
            replies.append(plain.dealer.recv_multipart())
        assert len(replies) == 4 and b"later" not in sum(replies, [])


def blocked(pub, plain, dealer=None):
    """A replay of a peer that reads nothing, as far as it gets."""
    (dealer or plain.dealer).send_multipart([b"", bytes(8)])
    pub.until(lambda: pub.stat().replaying == 1, "a replay")
    while pub.poll(100000) or pub.stirs(20 * TURN_S):
        pass
    assert pub.stat().replaying == 1


def fill(pub):
    for _ in range(300):
        pub.send(bytes(100000))


def a_peer_that_leaves_in_a_replay_is_forgotten():
    with Publisher() as pub, Plain(pub, hwm=1) as plain:
        fill(pub)
        blocked(pub, plain)
        plain.dealer.close(linger=0)
        pub.until(lambda: pub.stat().replaying == 0, "its end")
        assert pub.stat().gone == 1


def a_peer_that_reads_nothing_locks_no_other_out():
    with Publisher(peers=1) as pub, Plain(pub, hwm=1) as plain:
        fill(pub)
        blocked(pub, plain)
        assert len(plain.replayed(298, plain.asker())) == 3
        assert pub.stat().crowded == 1


def who_asks_again_has_given_up_what_it_asked_for():
    with Publisher() as pub, Plain(pub, hwm=1) as plain:
        fill(pub)
        blocked(pub, plain)
        plain.dealer.send_multipart([b"", (299).to_bytes(8, "big")])
        numbers = []
        while END not in numbers:
            pub.until(lambda: plain.dealer.poll(1), "a reply")
            numbers.append(plain.dealer.recv_multipart()[-2])
        assert numbers[-2:] == [(299).to_bytes(8, "big"), END]
        assert len(numbers) < 300 and pub.stat().gone == 1


def requests_that_are_none_cost_themselves():
    with Publisher() as pub, Plain(pub) as plain:
        pub.send(b"\1")
        for parts in ([b"", b"short"], [b"x", bytes(8)], [bytes(8)],
                      [b"", bytes(8), b""], [b"", b"", bytes(8), b"", b""]):
            plain.dealer.send_multipart(parts)
        assert len(plain.replayed(0)) == 2
        assert pub.stat().bad_requests == 5 and pub.stat().replays == 1


def the_descriptor_is_readable_when_somebody_asks():
    with Publisher() as pub, Plain(pub) as plain:
        pub.send(b"\1")
        fd = lib.aibrix_zmq_pub_fd(pub.pub)
        pub.poll()
        plain.dealer.send_multipart([b"", bytes(8)])
        sent = 0
        while sent < 2:
            ready, _, _ = select.select([fd], [], [], HANG_S)
            assert ready
            sent += pub.poll()


def a_poll_sends_no_more_than_asked():
    with Publisher() as pub, Plain(pub) as plain:
        for _ in range(20):
            pub.send(b"")
        plain.dealer.send_multipart([b"", bytes(8)])
        sent = []
        while sum(sent) < 21:
            sent.append(pub.poll(4))
        assert max(sent) == 4
        assert pub.poll(4) == 0


def ranks_are_at_ports_one_behind_the_other():
    ports = Ports(3)
    port = ports.first
    with contextlib.closing(ports), \
            Publisher(rank=2, endpoint=f"tcp://127.0.0.1:{port}".encode(),
                      replay=False, flags=BIND) as pub:
        pub.endpoint = f"tcp://127.0.0.1:{port + 2}"
        with Plain(pub) as plain:
            plain.listen()


def an_address_of_a_router_is_connected_to():
    context, ports = zmq.Context(), Ports(1)
    port = ports.first
    sub = context.socket(zmq.SUB)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{port}")
    with Publisher(replay=False,
                   endpoint=f"tcp://127.0.0.1:{port}".encode()) as pub:
        def heard():
            pub.send(b"\x90")
            return sub.poll(1)
        pub.until(heard, "a message")
    context.destroy(linger=0)
    ports.close()


def publishers_may_share_a_context():
    context = zmq.Context()
    opts = {"context": context.underlying, "replay": False}
    with Publisher(endpoint=b"inproc://events", rank=1, **opts) as pub:
        sub = context.socket(zmq.SUB)
        sub.subscribe(b"")
        sub.connect("inproc://events_dp1")

        def heard():
            pub.send(b"\x90")
            return sub.poll(1)
        pub.until(heard, "a message")
        sub.close(linger=0)
    context.term()


def wrong_calls_are_refused():
    def new(**opts):
        return status("zmq_pub_new", byref(PubOpts(**opts)),
                      byref(c_void_p()))
    ports = Ports(1)
    good = f"tcp://*:{ports.first}".encode()
    assert new() == E_INVAL
    for endpoint in (b"tcp://*", b"tcp://*:0", b"tcp://*:65536", b"*:5557",
                     b"", b"udp://*:5557", b"x" * 2000):
        assert new(endpoint=endpoint) == E_INVAL, endpoint
    assert new(endpoint=good, flags=4) == E_ABI
    assert new(endpoint=good, topic=b"t" * 2000) == E_INVAL
    assert new(endpoint=good, replay=b"nowhere") == E_INVAL
    assert new(endpoint=good, hwm=2 ** 31) == E_INVAL
    assert new(endpoint=good, keep=2 ** 31) == E_INVAL
    assert status("zmq_pub_new", None, byref(c_void_p())) == E_INVAL
    with Publisher(endpoint=good, replay=False) as pub:
        assert new(endpoint=good) == E_IO
        n = c_uint32()
        assert status("zmq_pub_poll", pub.pub, 0, byref(n)) == E_INVAL
        assert status("zmq_pub_poll", pub.pub, 1, None) == E_INVAL
        assert status("zmq_pub_send", pub.pub, None, c_uint64(1),
                      None) == E_INVAL
        assert status("zmq_pub_events", pub.pub, None, None, 1,
                      None) == E_INVAL
        assert status("zmq_pub_events", pub.pub, None,
                      byref(Event(type=9)), 1, None) == E_INVAL
        assert pub.stat().next == 0
        assert status("zmq_pub_stats", pub.pub, None) == E_INVAL
        assert pub.poll() == 0
    assert status("zmq_pub_send", None, None, c_uint64(0), None) == E_INVAL
    lib.aibrix_zmq_pub_free(None)
    assert lib.aibrix_zmq_pub_fd(None) == -1
    ports.close()


tap.run([
    events_reach_the_index_of_a_subscriber,
    batches_from_before_the_connection_are_replayed,
    live_messages_are_topic_number_and_payload,
    replies_are_those_of_vllm_before_and_since_its_topics,
    the_oldest_batches_make_room_by_number_and_by_bytes,
    a_batch_larger_than_all_that_is_kept_stays_alone,
    what_a_slow_subscriber_loses_it_is_given_again,
    a_restarted_publisher_has_nothing_left,
    a_replay_ends_with_what_was_published_when_it_was_asked_for,
    a_peer_that_leaves_in_a_replay_is_forgotten,
    a_peer_that_reads_nothing_locks_no_other_out,
    who_asks_again_has_given_up_what_it_asked_for,
    requests_that_are_none_cost_themselves,
    the_descriptor_is_readable_when_somebody_asks,
    a_poll_sends_no_more_than_asked,
    ranks_are_at_ports_one_behind_the_other,
    an_address_of_a_router_is_connected_to,
    publishers_may_share_a_context,
    wrong_calls_are_refused,
])
