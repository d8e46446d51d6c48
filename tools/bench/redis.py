#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Redis server of the examples beside the real one, under the real redis-benchmark.

A round runs each test against each server, one after the other, and the next round begins with the
other server; the table has the medians of all rounds, in requests a second, and their ratio: above
1, the example is ahead.  Both keep everything in memory alone.  The real one answers on one thread;
the example gets as many processors, unless --procs says otherwise.
"""
from __future__ import annotations

import argparse
import csv
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

HOST = "127.0.0.1"
START_LIMIT_S = 10
STOP_LIMIT_S = 5
RUN_LIMIT_S = 300
TESTS = {"PING_MBULK": "ping_mbulk", "SET": "set", "GET": "get", "LRANGE_100": "lrange_100"}
PIPELINES = [1, 16]
EXIT_SKIP = 77


class Failed(Exception):
    """A run that brought no figures, with the reason."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return int(s.getsockname()[1])


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < limit:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise Failed(f"{process.args[0]} does not answer")


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   cwd=folder)
        try:
            wait_for(process, port)
            yield
            if process.poll() is not None:
                raise Failed(f"{command[0]} ended with {process.returncode}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(port: int, test: str, pipeline: int, options: argparse.Namespace) -> float:
    """Requests a second."""
    command = ["redis-benchmark", "-h", HOST, "-p", str(port), "-c", str(options.clients),
               "-n", str(options.requests * (1 if pipeline == 1 else 4)), "-P", str(pipeline),
               "-t", TESTS[test], "--csv"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=RUN_LIMIT_S, check=False)
    for row in csv.reader(done.stdout.splitlines()):
        if row and row[0].split(" ")[0] == test:
            return float(row[1])
    raise Failed(f"no figure of {test} in: {done.stdout.strip()}")


def median_rates(options: argparse.Namespace, servers: dict[str, int]) -> dict[tuple, float]:
    rates: dict[tuple, list[float]] = {}
    names = list(servers)
    for n in range(options.rounds):
        for pipeline in PIPELINES:
            for test in TESTS:
                for name in names if n % 2 == 0 else names[::-1]:
                    rate = measure(servers[name], test, pipeline, options)
                    rates.setdefault((test, pipeline, name), []).append(rate)
        print(f"round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return {key: statistics.median(values) for key, values in rates.items()}


def show(rates: dict[tuple, float]) -> None:
    print(f"{'redis-benchmark':<20} {'-P':>3} {'weft':>12} {'redis':>12} {'ratio':>6}")
    for pipeline in PIPELINES:
        for test in TESTS:
            weft, redis = rates[test, pipeline, "weft"], rates[test, pipeline, "redis"]
            print(f"{test:<20} {pipeline:>3} {weft:>12,.0f} {redis:>12,.0f} {weft / redis:>6.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=100000, help="a run; 4 times with -P 16")
    parser.add_argument("--procs", type=int, default=1, help="of the example")
    options = parser.parse_args()
    for program in ["redis-server", "redis-benchmark"]:
        if shutil.which(program) is None:
            print(f"{program} is not there: apt-get install redis-server redis-tools")
            return EXIT_SKIP
    servers = {"weft": free_port(), "redis": free_port()}
    example = str((options.build / "examples" / "redis_server").absolute())
    try:
        with running([example, "--port", str(servers["weft"]), "--procs", str(options.procs)],
                     servers["weft"]), \
             running(["redis-server", "--port", str(servers["redis"]), "--bind", HOST,
                      "--save", "", "--appendonly", "no"], servers["redis"]):
            show(median_rates(options, servers))
    except Failed as failed:
        print(f"redis.py: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
