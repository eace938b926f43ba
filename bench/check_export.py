#!/usr/bin/env python3
"""Have bench_index export its timeline and read it as a stranger would.

usage: check_export.py BENCH_INDEX [option ...]

Layout, order and totals must be those of SMGMCK01, version 1, and each
worker must store under blocks that it has and remove what it has.
"""
import os
import struct
import subprocess
import sys
import tempfile

QUERY, STORED, REMOVED, CLEARED = range(4)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def slab(self, words):
        n = self.take("Q") * words
        return self.take(f"{n}Q") if n > 1 else (self.take("Q"),) * n


def operation(r):
    """(id, deadline, worker, kind, event, parent, start, length)"""
    number, deadline, worker, kind = r.take("IQQB")
    event = parent = None
    start, length = 0, 0
    if kind != QUERY:
        rank, event = r.take("IQ")
        assert rank == 0
    if kind == STORED:
        has_parent, name, has_position, position = r.take("BQBI")
        parent = name if has_parent else None
        assert has_position == 0 and position == 0
        assert has_parent or name == 0
    if kind != CLEARED:
        start, length = r.take("QI")
    return number, deadline, worker, kind, event, parent, start, length


def check(data):
    r = Reader(data)
    assert r.take("8s") == b"SMGMCK01"
    version, block_size, window, _, _, _, workers = r.take("IIQQQQQ")
    totals = r.take("7Q")
    trace = r.take(f"{r.take('Q')}s")
    hashes, blocks, removed = r.slab(1), r.slab(2), r.slab(1)
    assert (version, block_size) == (1, 128) and b"/" not in trace

    held = [set() for _ in range(workers)]
    events = [0] * workers
    counted = [0] * 7
    last = (0, 0, 0)
    for number in range(r.take("Q")):
        read, due, worker, kind, event, parent, start, n = operation(r)
        assert read == number and worker < workers and due <= window
        assert last <= (due, kind != QUERY, worker)
        last = due, kind != QUERY, worker
        counted[kind] += 1
        counted[4 + kind] += n
        if kind == QUERY:
            assert start + n <= len(hashes)
            continue
        assert event == events[worker]
        events[worker] += 1
        if kind == STORED:
            names = blocks[2 * start:2 * (start + n):2]
            assert len(names) == n
            assert parent is None or parent in held[worker]
            assert held[worker].isdisjoint(names)
            held[worker].update(names)
        else:
            names = removed[start:start + n]
            assert len(names) == n and held[worker].issuperset(names)
            held[worker].difference_update(names)
    assert r.at == len(data)
    assert tuple(counted) == totals
    return counted


def main():
    program, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "timeline")
        subprocess.run([program, "--export", file, *options], check=True)
        with open(file, "rb") as f:
            print(check(f.read()))


main()
