#!/usr/bin/env python3
"""An engine's publisher of KV events, as vLLM has it, in its own process.

usage: publisher.py PUB_ENDPOINT REPLAY_ENDPOINT|- FORM ENCODING [BUFFER]

FORM      old: replies are empty, number, payload; new: with a topic
ENCODING  arrays or maps
BUFFER    batches it remembers [10000]

Reads one JSON command per line and answers each with a line "ok":
  {"events": [...], "send": true}   publish a batch; send false: the network
                                    loses it
  {"payload": "hex"}                publish these bytes as a batch
  {"parts": ["hex", ...]}           send this message, which is no batch
  {"mute": true}                    do not answer replay requests
  {"pass": n}                       publish n empty batches
An event is {"type": "BlockStored", ...} with vLLM's field names.
"""
import collections
import json
import struct
import sys
import time

import zmq

END = b"\xff" * 8
POSITIONS = {
    "BlockStored": ["block_hashes", "parent_block_hash", "token_ids",
                    "block_size", "lora_id", "medium"],
    "BlockRemoved": ["block_hashes", "medium"],
    "AllBlocksCleared": [],
}


def pack(x):
    """As much of msgpack as events need."""
    if x is None:
        return b"\xc0"
    if isinstance(x, float):
        return b"\xcb" + struct.pack(">d", x)
    if isinstance(x, int):
        return (bytes([x]) if x < 128 else b"\xcf" + struct.pack(">Q", x))
    if isinstance(x, str):
        return b"\xd9" + bytes([len(x)]) + x.encode()
    if isinstance(x, dict):
        return b"\xde" + struct.pack(">H", len(x)) + b"".join(
            pack(k) + pack(v) for k, v in x.items())
    return b"\xdd" + struct.pack(">I", len(x)) + b"".join(map(pack, x))


def encode(event, encoding):
    if encoding == "maps":
        return event
    fields = POSITIONS[event["type"]]
    return [event["type"], *[event.get(f) for f in fields]]


class Publisher:
    def __init__(self, pub, replay, form, encoding, buffer="10000"):
        context = zmq.Context()
        self.form, self.encoding = form, encoding
        self.pub = context.socket(zmq.PUB)
        self.pub.setsockopt(zmq.IPV6, 1)
        self.pub.setsockopt(zmq.LINGER, 0)
        self.pub.bind(pub)
        self.router = context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.IPV6, 1)
        self.router.setsockopt(zmq.LINGER, 0)
        if replay != "-":
            self.router.bind(replay)
        self.buffer = collections.deque(maxlen=int(buffer))
        self.seq = 0
        self.mute = False

    def publish(self, payload, send=True):
        number = struct.pack(">Q", self.seq)
        if send:
            self.pub.send_multipart([b"kv", number, payload])
        self.buffer.append((number, payload))
        self.seq += 1

    def batch(self, events):
        return pack([time.time(), [encode(e, self.encoding) for e in events],
                     None])

    def reply(self, peer, number, payload):
        topic = [b"kv"] if self.form == "new" else []
        self.router.send_multipart([peer, b"", *topic, number, payload])

    def serve(self):
        peer, empty, start = self.router.recv_multipart()
        assert empty == b"" and len(start) == 8
        for number, payload in self.buffer:
            if number >= start:
                self.reply(peer, number, payload)
        self.reply(peer, END, b"")

    def command(self, line):
        what = json.loads(line)
        if "events" in what:
            self.publish(self.batch(what["events"]), what.get("send", True))
        if "payload" in what:
            self.publish(bytes.fromhex(what["payload"]))
        if "parts" in what:
            self.pub.send_multipart([bytes.fromhex(p) for p in what["parts"]])
        for _ in range(what.get("pass", 0)):
            self.publish(self.batch([]))
        self.mute = what.get("mute", self.mute)
        print("ok", flush=True)

    def run(self):
        poller = zmq.Poller()
        poller.register(sys.stdin.fileno(), zmq.POLLIN)
        print("ok", flush=True)
        while True:
            # Without a flag it is not looked at, whatever has arrived.
            poller.register(self.router, 0 if self.mute else zmq.POLLIN)
            ready = dict(poller.poll())
            if self.router in ready:
                self.serve()
            if sys.stdin.fileno() in ready:
                # Unbuffered: what poll does not see must not wait here.
                line = b""
                while not line.endswith(b"\n"):
                    byte = sys.stdin.buffer.raw.read(1)
                    if not byte:
                        return
                    line += byte
                self.command(line)


Publisher(*sys.argv[1:]).run()
