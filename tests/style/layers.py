#!/usr/bin/env python3
"""A module may include itself, base, and what its row allows.

usage: layers.py PROJECT_ROOT

This table is the architecture: doc/ARCHITECTURE.md shows it, and must show
the same.
"""
import pathlib
import re
import sys

ALLOW = {
    "base": "",
    "hash": "",
    "layout": "",
    "agree": "",
    "vtc": "",
    "window": "",
    "limit": "",
    "profile": "",
    "sync": "",
    "metric": "",
    "fleet": "",
    "queue": "",
    "evict": "",
    "pool": "",
    "index": "hash",
    "event": "hash index",
    "pd": "",
    "rewrite": "",
    "route": "fleet",
    "scrape": "fleet",
    "scale": "window",
    "store": "hash evict pool",
    "cache": "hash evict layout metric pool store",
    "config": "hash evict layout store cache rocksdb",
    "crypt": "store",
    "tls": "store",
    "zmq": "event hash index",
    "rocksdb": "store",
}
# Public headers that carry another name than their module.
HEADER_OF = {"backend": "store", "compat": "hash", "version": "base",
             "reply": "profile",
             "ledger": "route", "hot": "route",
             "ledger": "route",
             "scale_object": "scale",
             "demand": "scale",
             "schedule": "scale",
             "pd_buckets": "pd",
             "pd_ledger": "pd", "pd_legs": "pd",
             "estimate": "route",
             "prefix": "index", "predict": "index",
             "radix": "index", "admit": "event",
             "stream": "store", "key_text": "store", "shfs": "store",
             "resp": "store", "meter": "metric", "zmq_pub": "zmq",
             "vtc_window": "vtc", "cache_tenant": "cache",
             "share": "sync",
             "cache_event": "cache", "cache_worth": "cache",
             "gpu_profile": "queue", "output": "queue", "trace": "queue"}
INCLUDE = re.compile(r'#include\s+(?:"(\w+)/(\w+)\.h"|<aibrix/(\w+)\.h>)')


def check(path, me, text):
    for folder, file, header in INCLUDE.findall(text):
        target = folder or HEADER_OF.get(header, header)
        if target not in ALLOW:
            yield f"{path}: {target} is not in the table of layers"
        elif target not in {me, "base", *ALLOW[me].split()}:
            yield f"{path}: {me} must not include {target}"
        if file.endswith("_internal") and folder != me:
            yield f"{path}: {folder}/{file}.h is private to {folder}"


def documented(page):
    """The table as the page shows it."""
    text = page.read_text().split("## Modules", 1)[-1].split("\n\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| ([\w -]+?) \|", text, re.M)
    return {module: may.strip("- ") for module, may in rows
            if module != "module"}


def main():
    root = pathlib.Path(sys.argv[1])
    bad = []
    for path in sorted((root / "lib").rglob("*.[ch]")):
        me = path.relative_to(root / "lib").parts[0]
        if me not in ALLOW:
            bad.append(f"{path}: {me} is not in the table of layers")
            continue
        bad += check(path, me, path.read_text())
    for path in sorted((root / "include" / "aibrix").glob("*.h")):
        me = HEADER_OF.get(path.stem, path.stem)
        if me == "aibrix":
            continue
        if me not in ALLOW:
            bad.append(f"{path}: {me} is not in the table of layers")
            continue
        bad += check(path, me, path.read_text())
    page = root / "doc" / "ARCHITECTURE.md"
    if page.exists() and documented(page) != ALLOW:
        bad.append(f"{page}: not the table of {pathlib.Path(__file__).name}")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
