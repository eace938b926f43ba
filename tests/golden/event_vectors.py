#!/usr/bin/env python3
"""Write event_vectors.h: batches of KV events as vLLM's msgspec writes them.

usage: event_vectors.py > event_vectors.h     (needs msgspec)

The structs have the fields, defaults and options of vLLM's
vllm/distributed/kv_events.py: arrays up to release 0.23, maps since.
"""
import random
from typing import Any

import msgspec

TIERS = ["GPU", "CPU", "DISK", "EXTERNAL"]
SIZES = [0x7f, 0xff, 0xffff, 0xffffffff]
STORED, REMOVED, CLEARED = 1, 2, 3


def named(length):
    """A long name: what counts is where its length ends."""
    return ("support-chat-fr-" * 16)[:length]


class Batch(msgspec.Struct, array_like=True, omit_defaults=True):
    ts: float
    events: list[Any]
    data_parallel_rank: int | None = None


def structs(arrays):
    class Event(msgspec.Struct, array_like=arrays, omit_defaults=True,
                tag=True):
        pass

    class BlockStored(Event):
        block_hashes: list[int]
        parent_block_hash: int | None
        token_ids: list[int]
        block_size: int
        lora_id: int | None
        medium: str | None
        lora_name: str | None
        extra_keys: list[Any] | None = None
        group_idx: int | None = None
        kv_cache_spec_kind: str | None = None
        kv_cache_spec_sliding_window: int | None = None

    class BlockRemoved(Event):
        block_hashes: list[int]
        medium: str | None
        group_idx: int | None = None

    class AllBlocksCleared(Event):
        pass

    return {STORED: BlockStored, REMOVED: BlockRemoved,
            CLEARED: AllBlocksCleared}


def number(r, sizes):
    return r.randint(0, r.choice(sizes))


def event(r):
    e = {"type": r.choice([STORED] * 3 + [REMOVED] * 2 + [CLEARED])}
    if e["type"] == CLEARED:
        return e
    n = r.choice([0, 1, 1, 2, 3, 17])
    e["names"] = [number(r, [*SIZES, 2**64 - 1]) for _ in range(n)]
    e["tier"] = r.randrange(len(TIERS))
    e["group"] = r.choice([0, 0, 1, 63])
    if e["type"] == REMOVED:
        return e
    e["parent"] = r.choice([None, number(r, [*SIZES, 2**64 - 1])])
    e["block_tokens"] = r.choice([1, 4])
    e["tokens"] = [number(r, SIZES) for _ in range(n * e["block_tokens"])]
    if r.random() < 0.3:
        e["tokens"] = []
    e["lora"] = r.choice([None, None, "adapter", named(31), named(32),
                          named(256)])
    e["kind"] = r.choice([0, 0, 1])
    e["extra"] = None
    if n and r.random() < 0.4:
        e["extra"] = [r.choice([None, [], ["salt"], [["image", -3], named(40)]])
                      for _ in range(n)]
    return e


def as_struct(e, made):
    make = made[e["type"]]
    if e["type"] == CLEARED:
        return make()
    group = e["group"] or None
    if e["type"] == REMOVED:
        return make(e["names"], TIERS[e["tier"]], group)
    return make(e["names"], e["parent"], e["tokens"], e["block_tokens"], None,
                TIERS[e["tier"]], e["lora"], e["extra"], group,
                "sliding_window" if e["kind"] else None)


def lines(what, begin, width=8):
    for i in range(0, len(what), width):
        print(begin + " ".join(what[i:i + width]))


def array(kind, name, values):
    if not values:
        return "NULL"
    print(f"static const {kind} {name}[] = {{")
    lines([f"{v}u," for v in values], "\t")
    print("};")
    return name


def text(name, bytes_):
    """As numbers: a literal may not be this long."""
    print(f"static const uint8_t {name}[] = {{")
    lines([f"{b}," for b in bytes_], "\t", 16)
    print("};")


def c_event(e, name, encoder):
    fields = [f".type = {e['type']}"]
    if e["type"] != CLEARED:
        names = array("uint64_t", name + "_names", e["names"])
        fields += [f".tier = {e['tier']}", f".group = {e['group']}",
                   f".n = {len(e['names'])}", f".names = {names}"]
    if e["type"] == STORED:
        tokens = array("uint32_t", name + "_tokens", e["tokens"])
        fields += [f".kind = {e['kind']}",
                   f".block_tokens = {e['block_tokens']}",
                   f".tokens = {tokens}", f".n_tokens = {len(e['tokens'])}"]
        if e["parent"] is not None:
            fields += [".flags = AIBRIX_INDEX_HAS_PARENT",
                       f".parent = {e['parent']}u"]
        if e["lora"]:
            fields += [f".lora = \"{e['lora']}\""]
        if e["extra"] is not None:
            raw = encoder.encode(e["extra"])
            text(name + "_extra", raw)
            fields += [f".extra = {name}_extra", f".extra_bytes = {len(raw)}"]
    return "\t{" + ",\n\t ".join(fields) + "},"


def main():
    r = random.Random(6)
    encoder = msgspec.msgpack.Encoder()
    made = {True: structs(True), False: structs(False)}
    rows = []
    print("/* Written by event_vectors.py. */")
    for i, n in enumerate([0, 1, 2, 3, 5, 16]):
        events = [event(r) for _ in range(n)]
        time_s, rank = r.choice([0.0, 1.5, 1e9 + i / 7]), number(r, SIZES)
        shown = [c_event(e, f"v{i}_{j}", encoder)
                 for j, e in enumerate(events)]
        if shown:
            print(f"static const aibrix_event v{i}_events[] = {{")
            print("\n".join(shown))
            print("};")
        for form, arrays in (("arrays", True), ("maps", False)):
            text(f"v{i}_{form}", encoder.encode(Batch(
                time_s, [as_struct(e, made[arrays]) for e in events], rank)))
        rows.append(f"\t{{{n}, {rank}u, {time_s!r}, "
                    + (f"v{i}_events" if n else "NULL")
                    + f",\n\t v{i}_arrays, sizeof(v{i}_arrays),"
                      f"\n\t v{i}_maps, sizeof(v{i}_maps)}},")
    print("static const struct event_row event_rows[] = {")
    print("\n".join(rows))
    print("};")


main()
