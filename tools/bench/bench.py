#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmark programs of Weft and its peers in turn and prints one table.

Round by round each workload is run by each program once, so that what disturbs the machine for a
while disturbs all of them.  Figures are medians over the rounds.  All samples go to results.json,
the chart to results.svg.  README.md beside this file says what is measured.
"""
from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import chart
import machine as machines
from programs import Failed, Program, UnknownPeer, clean_up_on_sigterm, find, run
from rows import BadRow, Results, Row, from_object, merge, parse, to_object
from table import report
from workloads import UnknownName, Workload, choose

QUICK_ROUNDS = 3
SERVERS = Path(__file__).with_name("servers.py")


class NothingToDo(Exception):
    """Why nothing can be measured, and what to do."""


@dataclass(frozen=True)
class Step:
    round: int
    workload: Workload
    procs: int
    program: Program

    @property
    def what(self) -> tuple[str, str, int]:
        return self.program.peer, self.workload.name, self.procs


def plan(programs: list[Program], workloads: list[Workload], procs: list[int],
         n_rounds: int) -> list[Step]:
    """All runs in their order.  Each round begins with another peer, so that none has a place."""
    steps = []
    for i in range(n_rounds):
        turn = i % max(1, len(programs))
        for workload in workloads:
            if i in workload.rounds(n_rounds):
                steps += [Step(i, workload, p, program) for p in workload.procs_of(procs)
                          for program in programs[turn:] + programs[:turn]]
    return steps


class Progress:
    """What runs, how far it is, and how long it may take; on a terminal one line that changes."""

    def __init__(self) -> None:
        self.n_done = 0
        self.seconds: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        self.is_terminal = sys.stderr.isatty()
        self.said: tuple[int, str] | None = None

    def seconds_left(self, left: list[Step]) -> float:
        return sum(statistics.mean(self.seconds[step.what]) if step.what in self.seconds
                   else step.workload.seconds for step in left)

    def begin(self, left: list[Step]) -> None:
        step, seconds = left[0], int(self.seconds_left(left))
        line = (f"[{self.n_done + 1}/{self.n_done + len(left)}] round {step.round + 1}, "
                f"{step.workload.name}")
        rest = f"; about {seconds // 60}:{seconds % 60:02d} left"
        if self.is_terminal:
            print(f"\r\033[K{line}, P={step.procs}, {step.program.peer}{rest}", end="",
                  file=sys.stderr, flush=True)
        elif self.said != (step.round, step.workload.name):
            self.said = (step.round, step.workload.name)
            print(line + rest, file=sys.stderr, flush=True)

    def end(self, step: Step, seconds: float) -> None:
        self.n_done += 1
        self.seconds[step.what].append(seconds)

    def say(self, line: str) -> None:
        print(("\r\033[K" if self.is_terminal else "") + line, file=sys.stderr, flush=True)

    def finish(self) -> None:
        if self.is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@dataclass
class Measured:
    rows: list[Row]
    failures: list[str]
    is_whole: bool = True  # nobody broke it off


def merged(samples: list[Row]) -> list[Row]:
    """A row for each figure of each peer, in the order in which their names came."""
    names = list(dict.fromkeys(row.name for row in samples))
    by_key: dict[tuple[int, int, str], list[Row]] = defaultdict(list)
    for row in samples:
        by_key[(names.index(row.name), row.procs, row.peer)].append(row)
    return [merge(rows) for _, rows in sorted(by_key.items(), key=lambda item: item[0][:2])]


def try_step(step: Step, failures: list[str]) -> list[Row]:
    try:
        return run(step.program, step.workload.name, step.procs, step.workload.limit_s)
    except Failed as error:
        peer, name, procs = step.what
        failures.append(f"FAIL {peer} {name}, P={procs}: {error}")
        return []


def measure(steps: list[Step]) -> Measured:
    """Runs the steps.  What fails, or what a peer does not have, is not tried again."""
    samples: list[Row] = []
    failures: list[str] = []
    left, progress, is_whole = list(steps), Progress(), True
    try:
        while left:
            step, n_failures, start = left[0], len(failures), time.monotonic()
            progress.begin(left)
            rows = try_step(step, failures)
            samples += rows
            progress.end(step, time.monotonic() - start)
            for line in failures[n_failures:]:
                progress.say(line)
            left = [s for s in left[1:] if rows or s.what != step.what]
    except KeyboardInterrupt:
        is_whole = False
    progress.finish()
    return Measured(merged(samples), failures, is_whole)


def measure_servers(build: Path, peers: list[str], n_rounds: int | None) -> Measured:
    """The rows of servers.py, which shows its own progress."""
    command = [sys.executable, str(SERVERS), "--json", "--build", str(build)]
    command += ["--peers", ",".join(peers)] if peers else []
    command += ["--rounds", str(n_rounds)] if n_rounds else []
    rows, failures = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                try:
                    rows.append(parse(line))
                except BadRow as error:
                    failures.append(f"FAIL servers: the line {line[:80]!r} is no row: {error}")
            if process.wait() != 0:
                failures.append(f"FAIL servers: exit status {process.returncode}")
        except KeyboardInterrupt:  # which reached it, too
            return Measured(rows, failures, False)
        except SystemExit:
            process.send_signal(signal.SIGINT)
            raise
    return Measured(rows, failures)


def write(out: Path, measured: Measured, skipped: list[str], machine: dict[str, object]) -> None:
    """results.json and results.svg, each whole or as it was before."""
    results = Results(measured.rows)
    content = {"machine": machine, "versions": results.versions(), "skipped": skipped,
               "failures": measured.failures, "rows": [to_object(row) for row in measured.rows]}
    out.mkdir(parents=True, exist_ok=True)
    for name, data in [("results.json", json.dumps(content, indent=1) + "\n"),
                       ("results.svg", chart.draw(results, machine))]:
        new = out / (name + ".new")
        new.write_text(data, encoding="utf-8")
        os.replace(new, out / name)


def read(path: Path) -> tuple[list[Row], dict[str, object]]:
    """What an earlier run wrote."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [from_object(row) for row in content["rows"]], content["machine"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"bench: {path} is no results.json that can be read: {error}")


def numbers(text: str) -> list[int]:
    values = [int(word) for word in text.split(",")]
    if not values or min(values) < 1:
        raise ValueError
    return list(dict.fromkeys(values))


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def positive(text: str) -> int:
    return numbers(text)[0]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.py", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="workloads; all if none is named")
    add("--build", type=Path, default=Path("build/bench"), metavar="DIR",
        help="where the programs are (build/bench)")
    add("--out", type=Path, metavar="DIR", help="for results.json and results.svg (as --build)")
    add("--procs", type=numbers, default=[1, 2], metavar="N,N", help="processors (1,2)")
    add("--rounds", type=positive, metavar="N", help="7, with --quick 3; heavy workloads 3")
    add("--peers", type=words, default=[], metavar="A,B", help="only these; weft is one of them")
    add("--quick", action="store_true", help="few rounds of what is cheap, no servers")
    add("--no-servers", action="store_true", help="without servers.py")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--ranges", action="store_true", help="print the range beside each median")
    add("--from", dest="earlier", type=Path, metavar="FILE",
        help="run nothing: print the table of an earlier results.json")
    return parser.parse_args()


def run_all(args: argparse.Namespace, skipped: list[str]) -> Measured:
    programs, missing = find(args.build, args.peers)
    skipped += missing
    workloads = choose(args.names, args.quick)
    for line in missing:
        print(line, file=sys.stderr)
    if not programs:
        raise NothingToDo(f"there is no program in {args.build}: run `make bench-build` first")
    if not workloads:
        raise NothingToDo("none of these workloads is a quick one: leave --quick out")
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else 7)
    measured = measure(plan(programs, workloads, args.procs, rounds))
    if measured.is_whole and not (args.no_servers or args.quick or args.names):
        if SERVERS.is_file():
            servers = measure_servers(args.build, args.peers, args.rounds)
            return Measured(measured.rows + servers.rows, measured.failures + servers.failures,
                            servers.is_whole)
        skipped.append(f"skip servers: {SERVERS.name} is not there")
    return measured


def main() -> int:
    args = options()
    if args.earlier:
        rows, machine = read(args.earlier)
        print(report(Results(rows), machine, args.markdown, args.ranges))
        return 0
    clean_up_on_sigterm()
    machine = machines.describe()
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"note: the load is {load:.1f} before the start: what else runs here will be in the "
              "figures", file=sys.stderr)
    skipped: list[str] = []
    try:
        measured = run_all(args, skipped)
    except (NothingToDo, UnknownName, UnknownPeer) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    out = args.out or args.build
    write(out, measured, skipped, machine)
    if measured.rows:
        print(report(Results(measured.rows), machine, args.markdown, args.ranges))
    for line in [*skipped, *measured.failures]:
        print(line, file=sys.stderr)
    print(f"written: {out}/results.json, {out}/results.svg", file=sys.stderr)
    return 130 if not measured.is_whole else 1 if measured.failures or not measured.rows else 0


if __name__ == "__main__":
    sys.exit(main())
