#!/usr/bin/env python3
"""Write hash_vectors.h: names of blocks by independent means.

usage: hash_vectors.py > hash_vectors.h     (needs xxhash and cbor2)

SHA-256 and pickle are Python's own, XXH3 the xxhash package's, CBOR the
cbor2 package's.  The encodings are written from doc/modules/hash.md.
"""
import hashlib
import pickle
import struct

import cbor2
import xxhash

SEED = 1337
SHA256, XXH3 = 0, 1
ITEMS = [(b"image-7f3a", 10, 30), (b"empty", 12, 0), (b"sound", 39, 2)]
TEXTS = ("model", "revision", "dtype", "layout", "shard", "lora", "salt")


def entry(tag, value):
    return bytes([tag]) + struct.pack("<I", len(value)) + value


def text(tag, value):
    return entry(tag, value.encode()) if value else b""


def items_of(items, start, end):
    return b"".join(
        entry(10, struct.pack("<q", at - start) + name)
        for name, at, count in items
        if count and at < end and at + count > start)


def root(algorithm, block, t):
    identity = (entry(1, b"aibrix block key 1")
                + entry(2, struct.pack("<I", algorithm))
                + entry(3, struct.pack("<I", block)))
    for tag, name in enumerate(("model", "revision", "dtype", "layout",
                                "shard", "lora"), 4):
        identity += text(tag, t[name])
    identity += text(11, t["salt"])
    return hashlib.sha256(identity).digest()[:16]


def digest(algorithm, message):
    if algorithm == SHA256:
        return hashlib.sha256(message).digest()[:16]
    return xxhash.xxh3_128_digest(message)


def token(i, factor):
    return (i + 1) * factor & 0xffffffff


def c_text(s):
    return "NULL" if s is None else f'"{s}"'


def row(name, algorithm=SHA256, block=16, tokens=40, factor=1, seed=0,
        items=False, **texts):
    t = {n: texts.get(n) for n in TEXTS}
    base = seed or SEED
    key = root(algorithm, block, t)
    hashes, keys = [], []
    for start in range(0, tokens - tokens % block, block):
        raw = b"".join(struct.pack("<I", token(i, factor))
                       for i in range(start, start + block))
        carried = items_of(ITEMS if items else [], start, start + block)
        extra = text(9, t["lora"]) + carried
        if start == 0:
            extra += text(11, t["salt"])
        used = xxhash.xxh3_64_intdigest(extra, base) if extra else base
        hashes.append(xxhash.xxh3_64_intdigest(raw, used))
        key = digest(algorithm, key + raw + carried)
        keys.append(key.hex())
    print(f'\t{{"{name}", {algorithm}, {block}, {tokens}, {factor}u, '
          f"{seed}, {int(items)},")
    print("\t " + ", ".join(c_text(t[n]) for n in TEXTS) + ",")
    print("\t {" + ", ".join(f"0x{h:016x}" for h in hashes) + "},")
    print("\t {" + ",\n\t  ".join(f'"{k}"' for k in keys) + "}},")


def rows():
    print("static const struct hash_row hash_rows[] = {")
    full = dict(model="llama-3.1-8b", revision="5206a32e", dtype="bf16",
                layout="LCND", shard="h0_8_l0_32")
    for algorithm, n in ((SHA256, "sha256"), (XXH3, "xxh3")):
        row(f"{n}, no identity", algorithm)
        row(f"{n}, full identity", algorithm, **full)
        row(f"{n}, LoRA", algorithm, lora="my-lora", **full)
        row(f"{n}, salt", algorithm, salt="my-lora", **full)
        row(f"{n}, LoRA and salt", algorithm, lora="a", salt="b")
        row(f"{n}, items", algorithm, items=True, tokens=64)
        row(f"{n}, items, LoRA and salt", algorithm, items=True, tokens=64,
            lora="a", salt="b", **full)
        row(f"{n}, odd blocks", algorithm, block=5, tokens=19)
        row(f"{n}, odd blocks, items", algorithm, block=7, tokens=21,
            items=True)
        row(f"{n}, one token", algorithm, block=1, tokens=3)
        row(f"{n}, 32", algorithm, block=32, tokens=100, factor=2654435761)
        row(f"{n}, 64", algorithm, block=64, tokens=200, factor=2654435761)
        row(f"{n}, 128", algorithm, block=128, tokens=300,
            factor=2654435761)
        row(f"{n}, 256", algorithm, block=256, tokens=600,
            factor=2654435761)
        row(f"{n}, 1000", algorithm, block=1000, tokens=2000, seed=42)
        row(f"{n}, 8192", algorithm, block=8192, tokens=16384, seed=42,
            factor=2654435761, lora="x")
    print("};")


def vllm_encode(algorithm, value):
    if algorithm % 2 == 0:
        return pickle.dumps(value, 5)
    return cbor2.dumps(value, canonical=True)


def vllm_digest(algorithm, value):
    raw = vllm_encode(algorithm, value)
    if algorithm < 2:
        return hashlib.sha256(raw).digest()
    return xxhash.xxh3_128_digest(raw)


def fresh(s):
    """Equal texts as distinct objects, so that pickle refers to none."""
    return bytes(s, "ascii").decode()


def extras(kind):
    """The same lists as extras_fill in golden_hash.c."""
    if kind == 1:
        return (fresh("my-lora"),)
    if kind == 2:
        return (fresh("my-lora"), fresh("salt"))
    if kind == 3:
        return (fresh("my-lora"), (fresh("img"), -70000), fresh("salt"))
    if kind == 4:
        return ((fresh("a"), 0), (fresh("b"), -1), (fresh("c"), 300),
                (fresh("d"), 70000), (fresh("e"), -2147483648),
                (fresh("f"), 2147483647), fresh("x" * 300),
                bytes(range(32)), b"y" * 300)
    if kind == 5:
        return tuple(fresh(chr(97 + i % 26) * 4096) for i in range(64))
    if kind >= 6:  # the last text begins at byte 65535 or 65536 of a frame
        return tuple(fresh(chr(97 + i) * 4096) for i in range(15)) + (
            fresh("p" * (3928 + kind - 6)), fresh("q" * 10))
    return None


def vllm():
    print("static const struct vllm_row vllm_rows[] = {")
    for algorithm in range(4):
        for seed in ("0", "vllm-none-hash", "s" * 300):
            none = vllm_digest(algorithm, seed)
            for n, factor, kind in ((1, 1, 0), (2, 1, 1), (3, 1, 2),
                                    (4, 1, 3), (16, 1, 0), (16, 1, 4),
                                    (24, 7919, 3), (256, 2654435761, 0),
                                    (300, 2654435761, 1),
                                    (16, 1, 6), (16, 1, 7),
                                    (8192, 2654435761, 5)):
                if seed != "0" and (n, kind) != (16, 0):
                    continue
                tokens = tuple(token(i, factor) for i in range(n))
                d = vllm_digest(algorithm, (none, tokens, extras(kind)))
                name = "s x 300" if len(seed) == 300 else seed
                print(f'\t{{{algorithm}, "{name}", {n}, {factor}u, {kind},'
                      f'\n\t "{none.hex()}",\n\t "{d.hex()}"}},')
    print("};")


print("/* Written by hash_vectors.py. */")
rows()
print()
vllm()
