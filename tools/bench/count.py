#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions of Weft's hot paths with callgrind: the figure that does not drift.

Each workload is run for two numbers of operations; what start and stop cost falls out of the
difference.  Instructions are not time: they show what a change added, not what a cache does.
"""
from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from programs import Failed, clean_up_on_sigterm, describe_end, output_of
from table import Table, figure

NAMES = ["yield", "spawn_one", "spawn_batch", "chan_unbuf", "chan_buf", "select2", "select8",
         "mutex"]
# A multiple of 10,000 each, since spawn_batch spawns so many at once.
FEW, MANY = 20_000, 120_000
LIMIT_S = 120
SKIPPED = 77


def instructions(program: Path, name: str, count: int, folder: Path) -> int:
    """All instructions of a process that does so many operations."""
    out = folder / f"{name}.{count}"
    # valgrind knows no io_uring; it sees a change of stack by how far the stack pointer jumps.
    command = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}",
               "--max-stackframe=100000000000", str(program.resolve()), "--procs", "1",
               "--reactor", "epoll", "--count", str(count), name]
    status, _, err = output_of(command, LIMIT_S)
    if status != 0:
        raise Failed(describe_end(status, err))
    # A summary for each part of the profile, then their total.
    text = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
    totals = re.findall(r"^totals: (\d+)", text, re.M) or re.findall(r"^summary: (\d+)", text, re.M)
    if not totals:
        raise Failed("callgrind wrote no total")
    return sum(map(int, totals))


def per_operation(program: Path, name: str, folder: Path) -> float:
    few, many = (instructions(program, name, count, folder) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="count.py", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="of: " + ", ".join(NAMES))
    add("--build", type=Path, default=Path("build/bench"), metavar="DIR",
        help="where weft-bench is (build/bench)")
    add("--json", action="store_true", help="print an object instead of a table")
    return parser.parse_args()


def main() -> int:
    args = options()
    clean_up_on_sigterm()
    program = args.build / "weft-bench"
    for name in args.names:
        if name not in NAMES:
            print(f"count: '{name}' is not counted: there are {', '.join(NAMES)}", file=sys.stderr)
            return 2
    if not program.is_file():
        print(f"count: {program} is not there: run `make bench-build` first", file=sys.stderr)
        return 2
    if shutil.which("valgrind") is None:
        print("skip count: valgrind is not there (apt-get install valgrind)")
        return SKIPPED
    counts: dict[str, float] = {}
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.names or NAMES:
            try:
                counts[name] = per_operation(program, name, Path(folder))
            except Failed as error:
                failures.append(f"FAIL {name}: {error}")
    if args.json:
        print(json.dumps(counts))
    elif counts:
        lines = [[name, figure(count)] for name, count in counts.items()]
        print(Table(["P=1", "instructions an operation"], lines).text())
    for line in failures:
        print(line, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
