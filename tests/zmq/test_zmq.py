#!/usr/bin/env python3
"""The subscriber against real publishers, each in a process of its own.

usage: test_zmq.py LIBRARY ZMQ_LIBRARY [KV_EVENTS]

Only hang bounds look at the clock.  Ports are free ones; processes are ended
by their handle.
"""
import contextlib
import ctypes
import json
import pathlib
import select
import subprocess
import sys
import time
from ctypes import byref, c_uint32, c_uint64, c_void_p

from subscriber import (APPLY, BLOCK, CLEAR, E_ABI, E_INVAL, E_NOT_FOUND,
                        E_STATE, GAP, HANG_S, LOST, MISSING, MS, STALE, Opts,
                        Ports, Sink, Stat, State, Stream, Subscriber, call,
                        lib, status, tap, tokens, zmq)

HERE = pathlib.Path(__file__).parent
HOUR = 3600 * 1000 * MS


# ---- engines

def stored(first, n=1):
    event = {"type": "BlockStored", "parent_block_hash": None,
             "block_hashes": [7000 + b for b in range(first, first + n)],
             "token_ids": sum(map(tokens, range(first, first + n)), []),
             "block_size": BLOCK, "lora_id": None, "medium": "GPU"}
    if first:
        event["parent_block_hash"] = 7000 + first - 1
    return event


def removed(*blocks):
    return {"type": "BlockRemoved", "medium": "GPU",
            "block_hashes": [7000 + b for b in blocks]}


CLEARED = {"type": "AllBlocksCleared"}


class Engine:
    def __init__(self, form="new", encoding="maps", buffer=10000,
                 replay=True, host="127.0.0.1", ports=None):
        name = f"[{host}]" if ":" in host else host
        self.own = None if ports else Ports(2, host)
        pub, rep = ports or (self.own.first, self.own.first + 1)
        self.endpoint = f"tcp://{name}:{pub}"
        self.replay = f"tcp://{name}:{rep}" if replay else None
        self.args = [form, encoding, str(buffer)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "publisher.py"), self.endpoint,
             self.replay or "-", *self.args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], HANG_S)
        assert ready and self.process.stdout.readline() == b"ok\n"

    def command(self, **what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        self.answer()

    def publish(self, *events, send=True):
        self.command(events=events, send=send)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def restart(self):
        self.end()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        if self.own:
            self.own.close()


# ---- tests

def live_batches_of_each_encoding_reach_the_index():
    for encoding in ("arrays", "maps"):
        with Engine(encoding=encoding, replay=False) as engine, \
                Subscriber() as subscriber:
            subscriber.follow(engine)
            subscriber.until_live(engine)
            engine.publish(stored(0, 3))
            engine.publish(removed(2), stored(3))
            subscriber.until_matched(2)
            assert subscriber.stat().failed == 0


def batches_from_before_the_connection_are_replayed_in_each_form():
    for form in ("old", "new"):
        with Engine(form=form) as engine, Subscriber() as subscriber:
            engine.publish(stored(0, 2))
            engine.publish(stored(2))
            subscriber.follow(engine)
            subscriber.until_matched(3)
            stat = subscriber.stat()
            assert stat.flags & (STALE | MISSING) == 0
            assert stat.restarts == 0


def lost_messages_are_repaired_by_a_replay_of_each_form():
    for form, encoding in (("old", "arrays"), ("new", "maps")):
        with Engine(form=form, encoding=encoding) as engine, \
                Subscriber() as subscriber:
            subscriber.follow(engine)
            subscriber.until_live(engine)
            engine.publish(stored(0, 4))
            subscriber.until_matched(4)
            gaps = subscriber.stat().gaps
            engine.publish(removed(3), send=False)
            engine.publish(removed(2), send=False)
            engine.publish(stored(2))
            subscriber.until_matched(3)
            stat = subscriber.stat()
            assert stat.gaps == gaps + 1 and stat.lost == 0
            assert stat.flags & (STALE | MISSING) == 0


def a_batch_lost_before_silence_is_asked_for():
    with Engine() as engine, Subscriber(quiet_ns=HOUR) as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.publish(stored(0))
        engine.publish(stored(1), send=False)
        subscriber.until_matched(1)
        subscriber.ahead_ns = 2 * HOUR
        subscriber.until_matched(2)


def a_restarted_engine_has_nothing_left():
    with Engine() as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        engine.publish(stored(0, 5))
        engine.publish(stored(5))
        subscriber.until_matched(6)
        engine.end()
        subscriber.until(lambda: subscriber.stat().phase == LOST, "the end")
        assert subscriber.matched() == 6, "it may be the network"
        engine.start()
        engine.publish(stored(0, 2))
        subscriber.until_matched(2)
        assert subscriber.stat().restarts >= 1
        assert subscriber.stat().disconnects >= 1
        engine.publish(stored(2))
        subscriber.until_matched(3)


def a_restarted_engine_that_passed_the_cursor_is_not_the_old_one():
    with Engine() as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        engine.publish(stored(0, 5))
        subscriber.until_matched(5)
        engine.restart()
        engine.command(**{"pass": 20})
        engine.publish(stored(0, 1))
        subscriber.until_matched(1)
        assert subscriber.stat().flags & (STALE | MISSING) == 0


def a_restart_without_replay_is_known_by_its_numbers():
    with Engine(replay=False) as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.command(**{"pass": 20})
        engine.publish(stored(0, 5))
        subscriber.until_matched(5)
        engine.restart()
        subscriber.until(lambda: not subscriber.stat().connected, "the end")
        subscriber.until_live(engine)
        engine.publish(stored(0, 2))
        subscriber.until_matched(2)
        assert subscriber.stat().restarts == 1


def an_endpoint_without_replay_says_that_it_is_stale():
    with Engine(replay=False) as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.publish(stored(0, 2))
        engine.publish(removed(1), send=False)
        engine.publish(stored(2))
        subscriber.until_matched(3)  # block 1 is gone, but who knows
        stat = subscriber.stat()
        assert stat.flags & STALE and stat.lost == 1


def a_replay_endpoint_that_does_not_answer_is_given_up():
    with Engine() as engine, Subscriber(replay_ns=100 * MS) as subscriber:
        engine.command(mute=True)
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.publish(stored(0, 2))
        engine.publish(stored(2), send=False)
        engine.publish(removed(1))
        subscriber.until_matched(1)
        stat = subscriber.stat()
        assert stat.replays_failed >= 1 and stat.flags & MISSING


def a_publisher_that_remembers_little_begins_where_it_can():
    with Engine(buffer=2) as engine, Subscriber() as subscriber:
        engine.publish(stored(5))
        engine.command(**{"pass": 8})
        engine.publish(stored(0))
        engine.publish(stored(1))
        subscriber.follow(engine)
        subscriber.until_matched(2)
        assert subscriber.stat().flags & MISSING
        assert subscriber.stat().flags & STALE == 0


def an_engine_that_clears_all_holds_nothing_and_is_whole_again():
    with Engine(replay=False) as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.publish(stored(0, 3))
        engine.publish(stored(3), send=False)
        engine.publish(stored(0))
        subscriber.until(lambda: subscriber.stat().flags & STALE, "stale")
        engine.publish(CLEARED)
        subscriber.until_matched(0)
        engine.publish(stored(0))
        subscriber.until_matched(1)
        assert subscriber.stat().flags & (STALE | MISSING) == 0


def ranks_are_owners_at_ports_one_behind_the_other():
    ports = Ports(4)
    port = ports.first
    with contextlib.closing(ports), \
            Engine(ports=(port, port + 2)) as first, \
            Engine(ports=(port + 1, port + 3)) as second, \
            Subscriber() as subscriber:
        first.publish(stored(0, 2))
        second.publish(stored(0, 5))
        for rank in (0, 1):
            subscriber.follow(first, owner=rank, rank=rank)
        subscriber.until_matched(2, owner=0)
        subscriber.until_matched(5, owner=1)
        call("zmq_remove", subscriber.zmq, 0)
        assert status("zmq_stats", subscriber.zmq, 0,
                      byref(Stat())) == E_NOT_FOUND
        second.publish(stored(5))
        subscriber.until(lambda: subscriber.matched(1) == 6)


def malformed_payloads_and_messages_cost_themselves_only():
    with Engine() as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.command(payload="c1c1c1")
        engine.command(payload="")
        engine.command(payload="92cb3ff80000000000009192a44e6f706501")
        engine.command(parts=["00"])
        engine.command(parts=["6b76", "0011", "90"])
        engine.command(parts=["6b76", "ff" * 8, "90"])
        engine.command(parts=["00"] * 7)
        engine.publish(stored(0))
        subscriber.until_matched(1)
        stat = subscriber.stat()
        assert stat.failed == 2, stat.failed
        assert stat.bad_messages == 4, stat.bad_messages
        assert stat.disconnects == 0 and stat.lost == 0


def topics_that_begin_otherwise_are_left_out():
    with Engine(replay=False) as engine, Subscriber() as subscriber:
        subscriber.follow(engine, topic=b"other")
        subscriber.follow(engine, owner=1, topic=b"k")
        subscriber.until_live(engine, owner=1)
        engine.publish(stored(0))
        subscriber.until_matched(1, owner=1)
        assert subscriber.stat(0).batches == 0


def addresses_of_version_6_are_followed():
    try:
        Ports(1, "::1").close()
    except OSError:
        return  # this machine has none
    with Engine(host="::1") as engine, Subscriber() as subscriber:
        engine.publish(stored(0, 2))
        subscriber.follow(engine)
        subscriber.until_matched(2)


def an_engine_that_comes_later_is_found():
    with Engine() as engine, Subscriber() as subscriber:
        engine.end()
        subscriber.follow(engine)
        for _ in range(5):
            subscriber.poll()
        engine.start()
        engine.publish(stored(0, 2))
        subscriber.until_matched(2)
        assert subscriber.stat().connects == 1


def held_batches_are_bounded_in_bytes_and_none_is_missed():
    with Engine() as engine, \
            Subscriber(held_bytes=2000, quiet_ns=HOUR) as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.command(mute=True)
        engine.publish(stored(0), send=False)
        for block in range(1, 40):
            engine.publish(stored(block))
        subscriber.until(lambda: subscriber.stat().phase == GAP)
        for _ in range(20):
            subscriber.poll()
            stat = subscriber.stat()
            assert stat.held_bytes <= 2000 and stat.held < 39
        assert stat.held > 0
        engine.command(mute=False)
        subscriber.until_matched(40)
        stat = subscriber.stat()
        assert stat.flags & (STALE | MISSING) == 0 and stat.held_bytes == 0


def many_held_batches_are_released_in_order_when_patience_ends():
    with Engine() as engine, Subscriber(replay_ns=HOUR) as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        engine.publish(stored(0))
        subscriber.until_matched(1)
        engine.command(mute=True)
        engine.publish(send=False)
        for block in range(1, 60):
            engine.publish(stored(block))
        subscriber.until(lambda: subscriber.stat().held == 59)
        subscriber.ahead_ns = HOUR
        subscriber.until_matched(60)
        stat = subscriber.stat()
        assert stat.lost == 1 and stat.flags & STALE


def a_busy_stream_leaves_turns_to_others():
    with Engine() as first, Engine() as second, Subscriber() as subscriber:
        for owner, engine in enumerate((first, second)):
            subscriber.follow(engine, owner=owner)
            subscriber.until_live(engine, owner=owner)
        begun = [subscriber.stat(owner).batches for owner in (0, 1)]
        second.command(**{"pass": 400})
        first.command(**{"pass": 400})
        while subscriber.stat(1).batches == begun[1]:
            subscriber.poll(most=2)
        assert subscriber.stat(0).batches < begun[0] + 400


def a_replay_that_finds_no_socket_has_failed():
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4)
    with Engine() as engine, \
            Subscriber(context=context.underlying,
                       replay_ns=HOUR) as subscriber:
        subscriber.follow(engine)
        # One place is left, once libzmq has put away what add closed.
        end, taken = time.monotonic() + HANG_S, None
        while not taken:
            try:
                taken = context.socket(zmq.PAIR)
            except zmq.ZMQError:
                assert time.monotonic() < end
        subscriber.until(lambda: subscriber.stat().replays_failed > 0)
        assert subscriber.stat().flags & MISSING
        taken.close()
    context.term()


def a_poll_takes_no_more_than_asked():
    with Engine() as engine, Subscriber() as subscriber:
        for block in range(30):
            engine.publish(stored(block))
        subscriber.follow(engine)
        most = 0
        while subscriber.matched() < 30:
            most = max(most, subscriber.poll(most=4))
        assert most == 4, most


def the_descriptor_is_readable_when_something_came():
    with Engine() as engine, Subscriber() as subscriber:
        subscriber.follow(engine)
        subscriber.until_live(engine)
        lib.aibrix_zmq_fd.argtypes = [c_void_p]
        fd = lib.aibrix_zmq_fd(subscriber.zmq)
        while subscriber.poll(timeout_ns=0):
            pass
        engine.publish(stored(0))
        while subscriber.matched() < 1:
            ready, _, _ = select.select([fd], [], [], HANG_S)
            assert ready
            subscriber.poll(timeout_ns=0)


def a_saved_state_goes_on_where_it_was():
    with Engine() as engine:
        with Subscriber() as subscriber:
            engine.publish(stored(0, 3))
            subscriber.follow(engine)
            subscriber.until_matched(3)
            state = State()
            call("zmq_state", subscriber.zmq, 0, byref(state))
            call("zmq_remove", subscriber.zmq, 0)
            engine.publish(removed(2))
            # As after a load of the index: the blocks are there.
            subscriber.follow(engine, state=ctypes.addressof(state))
            subscriber.until_matched(2)
            stat = subscriber.stat()
            assert stat.restarts == 0 and stat.batches == state.applied + 1


def a_saved_state_of_an_engine_that_restarted_is_not_trusted():
    with Engine() as engine, Subscriber() as subscriber:
        engine.publish(stored(0, 3))
        subscriber.follow(engine)
        subscriber.until_matched(3)
        state = State()
        call("zmq_state", subscriber.zmq, 0, byref(state))
        call("zmq_remove", subscriber.zmq, 0)
        engine.restart()
        engine.publish(stored(0))
        subscriber.follow(engine, state=ctypes.addressof(state))
        subscriber.until_matched(1)


def a_sink_of_the_host_sees_batches_in_order():
    seen = []

    @APPLY
    def apply(_, owner, payload, n):
        seen.append((owner, n))
        return -8 if n == 0 else 0

    @CLEAR
    def clear(_, owner):
        seen.append((owner, "clear"))

    with Engine() as engine, \
            Subscriber(sink=Sink(apply=apply, clear=clear)) as subscriber:
        engine.command(payload="01")
        engine.command(payload="")
        engine.command(payload="010203")
        subscriber.follow(engine, owner=9)
        subscriber.until(lambda: len(seen) >= 4)
        assert seen == [(9, "clear"), (9, 1), (9, 0), (9, 3)], seen
        assert subscriber.stat(9).failed == 1
        assert subscriber.stat(9).bytes == 4


def publishers_within_the_process_share_its_context():
    context = zmq.Context()
    pub = context.socket(zmq.PUB)
    pub.bind("inproc://events_dp3")
    with Subscriber(context=context.underlying) as subscriber:
        subscriber.register(0)
        call("zmq_add", subscriber.zmq, byref(Stream(
            endpoint=b"inproc://events", rank=3)))
        sequence = 0
        payload = bytes.fromhex("92cb3ff800000000000090")
        end = time.monotonic() + HANG_S
        while subscriber.stat().batches < 3:
            pub.send_multipart([b"", sequence.to_bytes(8, "big"), payload])
            sequence += 1
            subscriber.poll()
            assert time.monotonic() < end
    pub.close()
    context.term()


def wrong_calls_are_refused():
    with Subscriber() as subscriber:
        def add(**more):
            return status("zmq_add", subscriber.zmq, byref(Stream(**more)))
        for endpoint in (b"tcp://127.0.0.1", b"tcp://127.0.0.1:0",
                         b"tcp://127.0.0.1:65536", b"tcp://[::1]",
                         b"tcp://h:1x", b"127.0.0.1:5557", b"", b"tcp://:",
                         b"udp://127.0.0.1:5557", b"x" * 2000):
            assert add(endpoint=endpoint) == E_INVAL, endpoint
        good = b"tcp://127.0.0.1:65535"
        assert add() == E_INVAL
        assert add(endpoint=good, rank=1) == E_INVAL
        assert add(endpoint=b"ipc:///tmp/x", rank=1) == E_INVAL
        assert add(endpoint=good, replay=b"nowhere") == E_INVAL
        assert add(endpoint=good, flags=1) == E_ABI
        assert add(endpoint=good, topic=b"t" * 2000) == E_INVAL
        assert add(endpoint=good,
                   state=ctypes.addressof(State(phase=9))) == E_INVAL
        assert add(endpoint=good) == 0
        assert add(endpoint=good) == E_STATE
        assert status("zmq_remove", subscriber.zmq, 1) == E_NOT_FOUND
        assert status("zmq_state", subscriber.zmq, 1,
                      byref(State())) == E_NOT_FOUND
        n = c_uint32()
        assert status("zmq_poll", subscriber.zmq, c_uint64(0), c_uint64(0), 0,
                      byref(n)) == E_INVAL
    out = c_void_p()
    assert status("zmq_new", None, byref(out)) == E_INVAL
    assert status("zmq_new", byref(Opts()), byref(out)) == E_INVAL
    assert status("zmq_new", byref(Opts(sink=ctypes.pointer(Sink()))),
                  byref(out)) == E_INVAL
    assert status("zmq_add", None, None) == E_INVAL
    lib.aibrix_zmq_free(None)
    assert lib.aibrix_zmq_fd(None) == -1


def the_example_shows_what_engines_hold():
    with Engine() as first, Engine(encoding="arrays", form="old") as second:
        first.publish(stored(0, 3))
        first.publish(removed(2))
        second.publish(stored(0, 5))
        names = [f"{e.endpoint},{e.replay}" for e in (first, second)]
        # Unbuffered, or select would not see a second line.
        shown = subprocess.Popen([sys.argv[3], "--json", *names], bufsize=0,
                                 stdout=subprocess.PIPE)
        rows = {}
        wanted = dict(zip(names, [(2, 2, "live"), (5, 1, "live")]))
        try:
            while {name: (row["blocks"], row["events"], row["state"])
                   for name, row in rows.items()} != wanted:
                ready, _, _ = select.select([shown.stdout], [], [], HANG_S)
                assert ready, rows
                row = json.loads(shown.stdout.readline())
                rows[row["publisher"]] = row
        finally:
            shown.terminate()
            shown.communicate()
        assert shown.returncode == 0
    table = subprocess.run([sys.argv[3], "--seconds", "1", "tcp://[::1]:9"],
                           capture_output=True, text=True, check=True)
    assert table.stdout.split() == ["fresh", *"000000", "tcp://[::1]:9"]
    for wrong in ([], ["--seconds", "x", "tcp://h:1"], ["--wrong"]):
        done = subprocess.run([sys.argv[3], *wrong], capture_output=True)
        assert done.returncode == 2 and done.stderr, wrong


tests = [
    live_batches_of_each_encoding_reach_the_index,
    batches_from_before_the_connection_are_replayed_in_each_form,
    lost_messages_are_repaired_by_a_replay_of_each_form,
    a_batch_lost_before_silence_is_asked_for,
    a_restarted_engine_has_nothing_left,
    a_restarted_engine_that_passed_the_cursor_is_not_the_old_one,
    a_restart_without_replay_is_known_by_its_numbers,
    an_endpoint_without_replay_says_that_it_is_stale,
    a_replay_endpoint_that_does_not_answer_is_given_up,
    a_publisher_that_remembers_little_begins_where_it_can,
    an_engine_that_clears_all_holds_nothing_and_is_whole_again,
    ranks_are_owners_at_ports_one_behind_the_other,
    malformed_payloads_and_messages_cost_themselves_only,
    topics_that_begin_otherwise_are_left_out,
    addresses_of_version_6_are_followed,
    an_engine_that_comes_later_is_found,
    held_batches_are_bounded_in_bytes_and_none_is_missed,
    many_held_batches_are_released_in_order_when_patience_ends,
    a_busy_stream_leaves_turns_to_others,
    a_replay_that_finds_no_socket_has_failed,
    a_poll_takes_no_more_than_asked,
    the_descriptor_is_readable_when_something_came,
    a_saved_state_goes_on_where_it_was,
    a_saved_state_of_an_engine_that_restarted_is_not_trusted,
    a_sink_of_the_host_sees_batches_in_order,
    publishers_within_the_process_share_its_context,
    wrong_calls_are_refused,
    the_example_shows_what_engines_hold,
]
if len(sys.argv) < 4:
    tests.remove(the_example_shows_what_engines_hold)
tap.run(tests)
