#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Says what a change did: runs weft-bench of a revision and of this tree in turn, row by row.

The revision is built in a worktree of its own, which is gone afterwards.  A row changed if the
median of new / old, round by round, is farther from 1 than these ratios are spread.
"""
from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from programs import Failed, Program, clean_up_on_sigterm, run
from rows import Row, is_rate
from table import Table, figure, label
from workloads import UnknownName, Workload, choose

BENCH_MK = "tools/mk/bench.mk"
SOURCES = "tools/bench/weft"
PROGRAM = "build/bench/weft-bench"
QUARTILE_SAMPLES = 5  # with fewer, the spread is the whole range


class CannotCompare(Exception):
    """Why there is nothing to compare with, and what to do."""


@dataclass(frozen=True)
class Change:
    """One row, before and after."""
    name: str
    procs: int
    unit: str
    old: float
    new: float
    percent: float
    spread_percent: float

    @property
    def verdict(self) -> str:
        if abs(self.percent) <= self.spread_percent:
            return ""
        return "better" if (self.percent > 0) == is_rate(self.unit) else "WORSE"


def spread(values: list[float]) -> float:
    if len(values) < QUARTILE_SAMPLES:
        return max(values) - min(values)
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def change(old: list[Row], new: list[Row]) -> Change | None:
    """Both sides of one row; samples are paired by the round, so that slow drift cancels out."""
    ratios = [n.median / o.median for o, n in zip(old, new) if o.median > 0]
    if not ratios:
        return None
    return Change(new[0].name, new[0].procs, new[0].unit,
                  statistics.median(row.median for row in old),
                  statistics.median(row.median for row in new),
                  100 * (statistics.median(ratios) - 1), 100 * spread(ratios))


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotCompare(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def worktree(base: str) -> Iterator[Path]:
    """The tree of a revision, in a folder of its own for as long as it is needed."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", base + "^{commit}")
    except CannotCompare:
        raise CannotCompare(f"'{base}' is no revision here: see `git log --oneline`") from None
    folder = Path(tempfile.mkdtemp(prefix="weft-compare-"))
    tree = folder / "tree"
    try:
        git("worktree", "add", "-q", "--detach", str(tree), commit)
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], check=False,
                       capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["git", "worktree", "prune"], check=False, capture_output=True)


def build_old(tree: Path, with_these_sources: bool) -> Path:
    """Builds the revision's program, with its own benchmark if it has one."""
    has_sources = any((tree / SOURCES).glob("*.c"))
    if not has_sources or with_these_sources:
        shutil.rmtree(tree / SOURCES, ignore_errors=True)
        shutil.copytree(SOURCES, tree / SOURCES)
        print(f"note: the old library runs this tree's {SOURCES}", file=sys.stderr)
    elif subprocess.run(["diff", "-rq", SOURCES, str(tree / SOURCES)], check=False,
                        capture_output=True).returncode != 0:
        print(f"note: {SOURCES} differs, too; --same-bench uses this tree's on both sides",
              file=sys.stderr)
    makefiles = []
    if BENCH_MK not in (tree / "Makefile").read_text(encoding="utf-8"):
        (tree / BENCH_MK).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BENCH_MK, tree / BENCH_MK)
        makefiles = ["-f", "Makefile", "-f", BENCH_MK]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    command = ["make", "-C", str(tree), f"-j{os.cpu_count() or 1}", *makefiles, "BUILD=build",
               PROGRAM]
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise CannotCompare("the old tree does not build:\n" + done.stdout[-3000:])
    return tree / PROGRAM


def measure(old: Path, new: Path, workloads: list[Workload], procs: list[int],
            n_rounds: int) -> list[Change]:
    """Runs both in turn; who is first changes with the round."""
    samples: dict[tuple[str, int], dict[str, list[Row]]] = defaultdict(
        lambda: {"old": [], "new": []})
    sides = [("old", Program("weft", old.resolve())), ("new", Program("weft", new.resolve()))]
    failed: set[tuple[str, int]] = set()
    for i in range(n_rounds):
        print(f"round {i + 1} of {n_rounds}", file=sys.stderr, flush=True)
        for workload in workloads:
            for p in workload.procs_of(procs) if i in workload.rounds(n_rounds) else []:
                if (workload.name, p) in failed:
                    continue
                try:
                    rows = {side: run(program, workload.name, p, workload.limit_s)
                            for side, program in (sides if i % 2 == 0 else sides[::-1])}
                except Failed as error:
                    failed.add((workload.name, p))
                    print(f"left out {label(workload.name, p)}: {error}", file=sys.stderr)
                    continue
                for side, found in rows.items():
                    for row in found:
                        samples[row.key][side].append(row)
    changes = [change(both["old"], both["new"]) for both in samples.values()
               if both["old"] and both["new"]]
    return sorted(filter(None, changes), key=lambda c: order_of(c, workloads))


def order_of(row: Change, workloads: list[Workload]) -> tuple[int, str, int]:
    names = [workload.name for workload in workloads]
    group = row.name if row.name in names else row.name.partition(".")[0]
    return names.index(group) if group in names else len(names), row.name, row.procs


def table(changes: list[Change]) -> str:
    lines = [[label(c.name, c.procs), c.unit, figure(c.old), figure(c.new), f"{c.percent:+.1f} %",
              f"{c.spread_percent:.1f} %", c.verdict] for c in changes]
    return Table(["row", "unit", "old", "new", "change", "spread", ""], lines, n_left=2).text()


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare.py", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="workloads; all if none is named")
    add("--base", metavar="REV", help="the revision to compare with")
    add("--old", type=Path, metavar="PROGRAM", help="a program that was built before, for --base")
    add("--new", type=Path, default=Path(PROGRAM), metavar="PROGRAM", help=f"({PROGRAM})")
    add("--procs", type=numbers, default=[1, 2], metavar="N,N", help="processors (1,2)")
    add("--rounds", type=int, default=11, metavar="N", help="11; heavy workloads 3")
    add("--same-bench", action="store_true", help=f"this tree's {SOURCES} with both libraries")
    return parser.parse_args()


def compare(args: argparse.Namespace, old: Path) -> int:
    changes = measure(old, args.new, choose(args.names, False), args.procs, args.rounds)
    if not changes:
        raise CannotCompare("no row was measured on both sides")
    print(table(changes))
    print("change: median of new / old, round by round; spread: of these ratios (between the "
          "quartiles; of fewer than 5 the range)")
    return 0


def main() -> int:
    args = options()
    clean_up_on_sigterm()
    try:
        choose(args.names, False)
        if not os.access(args.new, os.X_OK):
            raise CannotCompare(f"{args.new} is not there: run `make bench-build` first")
        if args.old:
            return compare(args, args.old)
        if not args.base:
            raise CannotCompare("which revision? make bench-compare BASE=rev")
        with worktree(args.base) as tree:
            return compare(args, build_old(tree, args.same_bench))
    except (CannotCompare, UnknownName) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
