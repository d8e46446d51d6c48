# SPDX-License-Identifier: MIT
"""The benchmark programs of a build: which are there, and one run of one of them."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rows import BadRow, Row, parse

ONLY_SERVERS = ["nginx"]  # has no program here; servers.py knows it
USAGE_STATUS = 2  # how a program ends that does not know a name


class Failed(Exception):
    """A run that brought no figures, with the reason."""


class UnknownPeer(ValueError):
    """A peer that nobody has written, with the list of those that are."""


@dataclass(frozen=True)
class Program:
    peer: str
    path: Path


def known_peers() -> list[str]:
    """Weft, then the folders of peers/, those that the README names first."""
    folder = Path(__file__).parent / "peers"
    found = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return list(dict.fromkeys(["weft", "go", "tokio", "boost", "raw", *found]))


def path_of(build: Path, peer: str) -> Path:
    return build / ("weft-bench" if peer == "weft" else peer)


def find(build: Path, peers: list[str]) -> tuple[list[Program], list[str]]:
    """The programs that are there, and a line for each that is not; all peers if none is named."""
    known = known_peers()
    for peer in peers:
        if peer not in known + ONLY_SERVERS:
            raise UnknownPeer(f"unknown peer '{peer}': there are {', '.join(known + ONLY_SERVERS)}")
    programs, skipped = [], []
    for peer in known:
        path = path_of(build, peer)
        if peers and peer not in peers:
            continue
        if os.access(path, os.X_OK) and path.is_file():
            programs.append(Program(peer, path.resolve()))
        else:
            target = "bench-build" if peer == "weft" else "bench-peers"
            skipped.append(f"skip {peer}: {path} is not there; `make {target}` builds it or says "
                           "what is missing")
    return programs, skipped


def clean_up_on_sigterm() -> None:
    """Lets SIGTERM end this program as an exception, so that what it started is ended, too."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def end_group(process: subprocess.Popen[str]) -> None:
    """Ends a program with the children that it may have."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


def output_of(command: list[str], limit_s: float) -> tuple[int, str, str]:
    """Runs a command to its end; its exit status and what it wrote."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, errors="replace",
                                   start_new_session=True)
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}") from error
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        end_group(process)
        raise Failed(f"not done after {limit_s:g} s") from error
    except BaseException:
        end_group(process)
        raise
    return process.returncode, out, err


def describe_end(status: int, err: str) -> str:
    """How a program ended, with the last line that it wrote to say why."""
    if status < 0:
        how = f"died by signal {-status} ({signal.Signals(-status).name})"
    else:
        how = f"exit status {status}"
    lines = err.strip().splitlines()
    return f"{how}: {lines[-1]}" if lines else how


def run(program: Program, name: str, procs: int, limit_s: float) -> list[Row]:
    """One run of one workload.  No rows: the peer has no such workload."""
    command = [str(program.path), "--procs", str(procs), "--runs", "1", "--json", name]
    status, out, err = output_of(command, limit_s)
    if status == USAGE_STATUS and not out.strip() and program.peer != "weft":
        return []
    if status != 0:
        raise Failed(describe_end(status, err))
    rows = []
    for line in filter(None, map(str.strip, out.splitlines())):
        try:
            rows.append(parse(line))
        except BadRow as error:
            raise Failed(f"the line {line[:80]!r} is no row: {error}") from error
    return rows
