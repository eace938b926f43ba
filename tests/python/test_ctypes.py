#!/usr/bin/env python3
"""Hash, match and pick with nothing but ctypes.

usage: test_ctypes.py LIBRARY

What a program in another language does that has no binding: zero a struct,
set size, call.  Only the standard library is imported.
"""
import ctypes
import math
import sys
from ctypes import (POINTER, Structure, byref, c_char_p, c_double, c_int,
                    c_uint32, c_uint64, c_uint8, c_void_p)

import tap

E_INVAL, E_NOT_FOUND, E_SPACE = -1, -4, -7
COL_REQUESTS_RUNNING, COL_PREFIX_BLOCKS = 0, 2
INDEX_HAS_PARENT = 1
BLOCK = 16


class Versioned(Structure):
    """size is set, everything else is zero: all defaults."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.size = ctypes.sizeof(self)


class Key(Structure):
    _fields_ = [("bytes", c_uint8 * 16)]


class Prompt(Versioned):
    _fields_ = [("size", c_uint32), ("n_items", c_uint32),
                ("tokens", POINTER(c_uint32)), ("n_tokens", c_uint64),
                ("items", c_void_p), ("lora", c_char_p), ("salt", c_char_p)]


class Stored(Versioned):
    _fields_ = [("size", c_uint32), ("n", c_uint32),
                ("hashes", POINTER(c_uint64)), ("names", POINTER(c_uint64)),
                ("parent", c_uint64), ("flags", c_uint32),
                ("tier", c_uint32), ("group", c_uint32), ("kind", c_uint32)]


class Match(Structure):
    _fields_ = [("owner", c_uint32), ("held", c_uint32),
                ("device", c_uint32), ("spare", c_uint32)]


class Owner(Structure):
    _fields_ = [("pod", c_uint64), ("rank", c_uint32), ("spare", c_uint32)]


class Column(Structure):
    _fields_ = [("id", c_uint32), ("rows", c_uint32),
                ("values", POINTER(c_double))]


class Request(Versioned):
    _fields_ = [("size", c_uint32), ("n_overlay", c_uint32),
                ("overlay", POINTER(Column)), ("rows", POINTER(c_uint32)),
                ("n_rows", c_uint32), ("block_tokens", c_uint32),
                ("prompt_tokens", c_uint64), ("n_blocks", c_uint64),
                ("entropy", c_uint64)]


class Result(Versioned):
    _fields_ = [("size", c_uint32), ("row", c_uint32), ("owner", Owner),
                ("score", c_double), ("reason", c_uint32),
                ("candidates", c_uint32), ("ties", c_uint32),
                ("spare", c_uint32)]


lib = ctypes.CDLL(sys.argv[1])
ARGUMENTS = {
    "hash_new": [c_void_p, POINTER(c_void_p)],
    "hash_blocks": [c_void_p, POINTER(Prompt), c_uint64, POINTER(c_uint64),
                    POINTER(Key), c_uint64, POINTER(c_uint64)],
    "index_new": [c_void_p, POINTER(c_void_p)],
    "index_reader_new": [c_void_p, POINTER(c_void_p)],
    "index_owner_add": [c_void_p, c_uint32],
    "index_apply_stored": [c_void_p, c_uint32, POINTER(Stored)],
    "index_apply_removed": [c_void_p, c_uint32, POINTER(c_uint64), c_uint32,
                            c_uint32, c_uint32],
    "index_lookup": [c_void_p, POINTER(c_uint64), c_uint64, POINTER(Match),
                     c_uint32, POINTER(c_uint32)],
    "index_match": [c_void_p, POINTER(c_uint64), c_uint64, c_uint32,
                    POINTER(c_double), c_uint32],
    "fleet_new": [c_void_p, POINTER(c_void_p)],
    "fleet_add": [c_void_p, POINTER(Owner), POINTER(c_uint32)],
    "fleet_set": [c_void_p, c_uint32, c_uint32, c_double, c_uint64],
    "fleet_get": [c_void_p, c_uint32, c_uint32, c_uint64, POINTER(c_double),
                  POINTER(c_uint64)],
    "fleet_rows": [c_void_p],
    "route_new": [c_void_p, POINTER(c_void_p)],
    "route_pick": [c_void_p, c_void_p, POINTER(Request), c_uint64,
                   POINTER(Result)],
}
FREES = ["hash", "index", "index_reader", "fleet", "route"]
for name, types in ARGUMENTS.items():
    function = getattr(lib, "aibrix_" + name)
    function.argtypes = types
    function.restype = c_int
for name in FREES:
    function = getattr(lib, f"aibrix_{name}_free")
    function.argtypes = [c_void_p]
    function.restype = None
lib.aibrix_fleet_rows.restype = c_uint32
lib.aibrix_version.restype = c_char_p
lib.aibrix_strerror.restype = c_char_p
lib.aibrix_route_reason.argtypes = [c_uint32]
lib.aibrix_route_reason.restype = c_char_p


def call(name, *args):
    status = getattr(lib, "aibrix_" + name)(*args)
    assert status == 0, f"{name}: {lib.aibrix_strerror(status).decode()}"


class Object:
    """An opaque object; freed at the end of a with block."""

    def __init__(self, name, *args):
        self.name, self.handle = name, c_void_p()
        call(name + "_new", *(args or [None]), byref(self.handle))

    def __enter__(self):
        return self.handle

    def __exit__(self, *_):
        getattr(lib, f"aibrix_{self.name}_free")(self.handle)


def hashes_of(hash, tokens):
    """Content hashes and keys of a prompt's whole blocks."""
    array = (c_uint32 * len(tokens))(*tokens)
    prompt = Prompt(tokens=array, n_tokens=len(tokens))
    most, n = len(tokens) // BLOCK, c_uint64()
    hashes, keys = (c_uint64 * most)(), (Key * most)()
    call("hash_blocks", hash, byref(prompt), 0, hashes, keys, most, byref(n))
    assert n.value == most, n.value
    return hashes, keys


def store(index, owner, hashes, first=0):
    """owner announces hashes, under names of its own."""
    names = [0x1000 + i for i in range(first + len(hashes))]
    event = Stored(n=len(hashes), hashes=hashes,
                   names=(c_uint64 * len(hashes))(*names[first:]))
    if first:
        event.flags, event.parent = INDEX_HAS_PARENT, names[first - 1]
    call("index_apply_stored", index, owner, byref(event))


def the_version_is_a_text_of_three_numbers():
    assert len(lib.aibrix_version().split(b".")) == 3


def a_longer_prompt_keeps_the_names_of_its_beginning():
    with Object("hash") as hash:
        short, short_keys = hashes_of(hash, range(40))
        long, long_keys = hashes_of(hash, range(64))
    assert len(short) == 2 and len(long) == 4
    assert list(short) == list(long)[:2]
    assert [bytes(k.bytes) for k in short_keys] == \
        [bytes(k.bytes) for k in long_keys][:2]
    assert len({bytes(k.bytes) for k in long_keys}) == 4


def no_room_for_the_hashes_is_reported_with_the_need():
    with Object("hash") as hash:
        prompt = Prompt(tokens=(c_uint32 * 64)(), n_tokens=64)
        one, n = (c_uint64 * 1)(), c_uint64()
        assert lib.aibrix_hash_blocks(hash, byref(prompt), 0, one, None, 1,
                                      byref(n)) == E_SPACE
        assert n.value == 4


def the_index_counts_leading_blocks_of_each_owner():
    with Object("hash") as hash, Object("index") as index, \
            Object("index_reader", index) as reader:
        hashes, _ = hashes_of(hash, range(64))
        for owner in (0, 1, 2):
            call("index_owner_add", index, owner)
        store(index, 0, (c_uint64 * 4)(*hashes))
        store(index, 1, (c_uint64 * 2)(*hashes[:2]))
        out, n = (Match * 4)(), c_uint32()
        call("index_lookup", reader, hashes, 4, out, 4, byref(n))
        assert [(m.owner, m.held, m.device) for m in out[:n.value]] == \
            [(0, 4, 4), (1, 2, 2)]
        store(index, 1, (c_uint64 * 1)(hashes[2]), first=2)
        blocks = (c_double * 3)()
        call("index_match", reader, hashes, 4, 0, blocks, 3)
        assert list(blocks) == [4, 3, 0], list(blocks)
        call("index_apply_removed", index, 0, (c_uint64 * 1)(0x1001), 1, 0, 0)
        call("index_match", reader, hashes, 4, 0, blocks, 3)
        assert list(blocks) == [1, 3, 0], list(blocks)


def an_event_under_an_unknown_parent_is_refused():
    with Object("index") as index:
        call("index_owner_add", index, 0)
        event = Stored(n=1, hashes=(c_uint64 * 1)(1),
                       names=(c_uint64 * 1)(1), parent=99,
                       flags=INDEX_HAS_PARENT)
        assert lib.aibrix_index_apply_stored(index, 0, byref(event)) == \
            E_NOT_FOUND


def an_unset_value_of_the_fleet_is_not_a_number():
    with Object("fleet") as fleet:
        row, value, age = c_uint32(9), c_double(1), c_uint64()
        call("fleet_add", fleet, byref(Owner(pod=7)), byref(row))
        call("fleet_get", fleet, row, COL_REQUESTS_RUNNING, 0, byref(value),
             byref(age))
        assert row.value == 0 and math.isnan(value.value)
        assert age.value == 2 ** 64 - 1


def the_pod_that_holds_the_prefix_is_picked():
    with Object("hash") as hash, Object("index") as index, \
            Object("index_reader", index) as reader, \
            Object("fleet") as fleet, Object("route") as route:
        for pod in (100, 200, 300):
            row = c_uint32()
            call("fleet_add", fleet, byref(Owner(pod=pod)), byref(row))
            call("fleet_set", fleet, row, COL_REQUESTS_RUNNING, 1, 1)
            call("index_owner_add", index, row)
        hashes, _ = hashes_of(hash, range(64))
        store(index, 1, (c_uint64 * 4)(*hashes))
        rows = lib.aibrix_fleet_rows(fleet)
        blocks = (c_double * rows)()
        call("index_match", reader, hashes, 4, 0, blocks, rows)
        overlay = Column(COL_PREFIX_BLOCKS, rows, blocks)
        request = Request(n_overlay=1, overlay=ctypes.pointer(overlay),
                          block_tokens=BLOCK, prompt_tokens=64, n_blocks=4,
                          entropy=1)
        result = Result()
        call("route_pick", route, fleet, byref(request), 2, byref(result))
        assert (result.row, result.owner.pod) == (1, 200), result.row
        assert result.candidates == 3
        assert lib.aibrix_route_reason(result.reason) == b"prefix"


def an_overlay_of_another_length_is_refused():
    with Object("fleet") as fleet, Object("route") as route:
        call("fleet_add", fleet, byref(Owner(pod=1)), byref(c_uint32()))
        overlay = Column(COL_PREFIX_BLOCKS, 2, (c_double * 2)())
        request = Request(n_overlay=1, overlay=ctypes.pointer(overlay))
        assert lib.aibrix_route_pick(route, fleet, byref(request), 1,
                                     byref(Result())) == E_INVAL


tap.run([the_version_is_a_text_of_three_numbers,
         a_longer_prompt_keeps_the_names_of_its_beginning,
         no_room_for_the_hashes_is_reported_with_the_need,
         the_index_counts_leading_blocks_of_each_owner,
         an_event_under_an_unknown_parent_is_refused,
         an_unset_value_of_the_fleet_is_not_a_number,
         the_pod_that_holds_the_prefix_is_picked,
         an_overlay_of_another_length_is_refused])
