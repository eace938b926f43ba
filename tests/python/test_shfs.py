#!/usr/bin/env python3
"""A shared directory between the library and a client that does as AIBrix's.

usage: test_shfs.py LIBRARY

The client below follows the rules of AIBrix's l2/connectors/shfs.py: where a
file is, that it is written under <hex>.tmp and renamed, and that a reader
wants the length it expects.
"""
import ctypes
import os
import pathlib
import shutil
import sys
import tempfile
from ctypes import (POINTER, Structure, byref, c_char_p, c_int32, c_uint32,
                    c_uint64, c_void_p)

import tap

E_NOT_FOUND, E_SPACE = -4, -7
GET, PUT, PROBE, DELETE = 0, 1, 2, 3
BACKEND_SHFS, EXISTED = 3, 1
CONN = "aibrix_h0_7_l0_31_lcnd16roc"
# AIBrix's keys of the tokens 0, 1, 2 ... in blocks of 16, rolling hash.
KEYS = [bytes.fromhex(key) for key in (
    "cf1cb24e52df6d5af4f404786f434895", "65da3584bc4484fecdd2c1e7f119d5c3",
    "7c9a5f3fec2af26506af3df6b5c79edc", "92031f13820fa442dddcaa5f810f8b7f")]
BLOCK = 32768


class Versioned(Structure):
    def __init__(self, **fields):
        super().__init__(**fields)
        self.size = ctypes.sizeof(self)


class ConnOpts(Versioned):
    _fields_ = [("size", c_uint32), ("block_tokens", c_uint32),
                ("space", c_char_p), ("head_first", c_uint32),
                ("head_last", c_uint32), ("layer_first", c_uint32),
                ("layer_last", c_uint32), ("layout", c_uint32),
                ("builder", c_uint32), ("flags", c_uint32),
                ("spare", c_uint32)]


class ShfsOpts(Versioned):
    _fields_ = [("size", c_uint32), ("mode", c_uint32),
                ("conn_id", c_char_p), ("flags", c_uint32),
                ("sweep_entries", c_uint32), ("touch_ns", c_uint64)]


class StoreOpts(Versioned):
    _fields_ = [("size", c_uint32), ("backend", c_uint32), ("path", c_char_p),
                ("capacity_bytes", c_uint64), ("value_bytes", c_uint64),
                ("max_inflight", c_uint32), ("flags", c_uint32),
                ("timeout_ns", c_uint64), ("clock", c_void_p),
                ("clock_ctx", c_void_p), ("log", c_void_p),
                ("alloc", c_void_p), ("user", c_void_p),
                ("backend_opts", POINTER(ShfsOpts)), ("run", c_void_p),
                ("run_ctx", c_void_p), ("seed", c_uint64)]


class Iov(Structure):
    _fields_ = [("base", c_void_p), ("bytes", c_uint64)]


class Io(Structure):
    _fields_ = [("key", c_char_p), ("iov", POINTER(Iov)),
                ("key_bytes", c_uint32), ("n_iov", c_uint32),
                ("op", c_uint32), ("priority", c_uint32),
                ("deadline_ns", c_uint64), ("tag", c_uint64),
                ("flags", c_uint32), ("spare", c_uint32),
                ("spare2", c_uint64)]


class Done(Structure):
    _fields_ = [("tag", c_uint64), ("bytes", c_uint64), ("status", c_int32),
                ("os_error", c_int32), ("flags", c_uint32),
                ("spare", c_uint32)]


lib = ctypes.CDLL(sys.argv[1])
lib.aibrix_store_free.argtypes = [c_void_p]


class Store:
    """The library's side."""

    def __init__(self, root, **fields):
        shfs = ShfsOpts(conn_id=CONN.encode())
        opts = StoreOpts(backend=BACKEND_SHFS, path=str(root).encode(),
                         backend_opts=ctypes.pointer(shfs), **fields)
        self.store = c_void_p()
        assert lib.aibrix_store_open(byref(opts), byref(self.store)) == 0

    def close(self):
        lib.aibrix_store_free(self.store)

    def do(self, op, key, memory=None):
        iov = Iov(ctypes.cast(memory, c_void_p),
                  ctypes.sizeof(memory)) if memory else None
        io = Io(key=key, key_bytes=len(key), op=op,
                iov=ctypes.pointer(iov) if memory else None,
                n_iov=1 if memory else 0)
        n, done = c_uint32(), Done()
        assert lib.aibrix_store_submit(self.store, byref(io), 1, c_uint64(1),
                                       byref(n)) == 0 and n.value == 1
        assert lib.aibrix_store_poll(self.store, byref(done), 1, c_uint64(1),
                                     c_uint64(0), byref(n)) == 0
        assert n.value == 1
        return done

    def put(self, key, value):
        return self.do(PUT, key, ctypes.create_string_buffer(value,
                                                             len(value)))

    def get(self, key, length):
        memory = ctypes.create_string_buffer(length)
        done = self.do(GET, key, memory)
        return done.status, memory.raw[:done.bytes]


class Other:
    """AIBrix's side: None is its NOT_FOUND."""

    def __init__(self, root):
        self.root = pathlib.Path(root) / CONN

    def path(self, key):
        text = key.hex()
        return self.root / text[0:2] / text[2:4] / text

    def put(self, key, value):
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / (path.name + ".tmp")
        temporary.write_bytes(value)
        os.replace(temporary, path)
        assert path.stat().st_size == len(value)

    def get(self, key, length):
        path = self.path(key)
        if not path.exists():
            return None
        assert path.stat().st_size == length
        return path.read_bytes()

    def delete(self, key):
        self.path(key).unlink()


def both(test):
    def run():
        root = tempfile.mkdtemp(prefix="aibrix-shfs-")
        store = Store(root)
        try:
            test(store, Other(root))
        finally:
            store.close()
            shutil.rmtree(root)
    run.__name__ = test.__name__
    return run


def the_directory_is_called_as_aibrix_calls_it():
    text, n = ctypes.create_string_buffer(256), c_uint64()
    opts = ConnOpts(head_last=7, layer_last=31, block_tokens=16)
    assert lib.aibrix_conn_id(byref(opts), text, c_uint64(256), byref(n)) == 0
    assert text.value.decode() == CONN


@both
def what_the_other_wrote_is_read(store, other):
    values = [os.urandom(BLOCK) for _ in KEYS]
    for key, value in zip(KEYS, values):
        other.put(key, value)
    for key, value in zip(KEYS, values):
        assert store.get(key, BLOCK) == (0, value)
        assert store.do(PROBE, key).bytes == BLOCK
    assert store.get(b"\x00" * 16, BLOCK)[0] == E_NOT_FOUND


@both
def what_the_library_wrote_is_read_by_the_other(store, other):
    values = [os.urandom(BLOCK) for _ in KEYS]
    for key, value in zip(KEYS, values):
        assert store.put(key, value).status == 0
    for key, value in zip(KEYS, values):
        assert other.get(key, BLOCK) == value
    assert other.get(b"\x00" * 16, BLOCK) is None


@both
def of_ten_puts_by_the_library_the_first_stays(store, other):
    assert store.put(KEYS[0], b"0" * BLOCK).flags == 0
    for i in range(1, 10):
        assert store.put(KEYS[0], b"%d" % i * BLOCK).flags == EXISTED
    assert other.get(KEYS[0], BLOCK) == b"0" * BLOCK


@both
def of_ten_puts_by_the_other_the_last_is_read(store, other):
    for i in range(10):
        other.put(KEYS[0], b"%d" % i * BLOCK)
    assert store.get(KEYS[0], BLOCK) == (0, b"9" * BLOCK)


@both
def deleting_on_either_side_is_a_miss_on_the_other(store, other):
    for key in KEYS[:2]:
        store.put(key, b"x" * BLOCK)
    other.delete(KEYS[0])
    assert store.do(DELETE, KEYS[1]).status == 0
    assert store.get(KEYS[0], BLOCK)[0] == E_NOT_FOUND
    assert other.get(KEYS[1], BLOCK) is None


@both
def another_length_than_expected_is_told(store, other):
    other.put(KEYS[0], b"x" * (BLOCK + 1))
    assert store.get(KEYS[0], BLOCK)[0] == E_SPACE
    other.put(KEYS[1], b"x" * 100)
    assert store.get(KEYS[1], BLOCK) == (0, b"x" * 100)


@both
def raw_keys_of_31_tokens_have_a_common_name(store, other):
    """A name ends at 255 bytes: 124 bytes of key are the last that fit."""
    key = b"".join(i.to_bytes(4, "little") for i in range(31))
    other.put(key, b"y" * BLOCK)
    assert store.get(key, BLOCK) == (0, b"y" * BLOCK)


tap.run([the_directory_is_called_as_aibrix_calls_it,
         what_the_other_wrote_is_read,
         what_the_library_wrote_is_read_by_the_other,
         of_ten_puts_by_the_library_the_first_stays,
         of_ten_puts_by_the_other_the_last_is_read,
         deleting_on_either_side_is_a_miss_on_the_other,
         another_length_than_expected_is_told,
         raw_keys_of_31_tokens_have_a_common_name])
