#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The echo and HTTP servers of all peers under load: throughput, latency, and CPU a request.

Each server runs in three placements:
  split     the server on one CPU, the load on another
  together  both on the same CPU: what the load does not need, the server has
  free      the server with two processors, and nothing pinned
The figure to compare is `cpu`, what the server needs for a request: where the load generator is
the bottleneck, all good servers have the same throughput.

A server is started anew for each run.  A round runs all of them once, so that what the machine does
meanwhile meets all alike; the next round begins with another one.
"""
from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

HOST = "127.0.0.1"
BODY = b"hello, weft"
CONNECTIONS = {"echo": [50, 1000], "http": [50, 500]}
PLACEMENTS = {"split": 1, "together": 1, "free": 2}  # and the processors of the server
FIGURES = {"cpu": "us/request", "rps": "1/s", "p50": "us", "p99": "us"}
PEERS = ["weft", "weft-epoll", "go", "tokio", "nginx", "raw-epoll", "raw-uring"]
ONLY = {"nginx": "http", "raw-epoll": "echo", "raw-uring": "echo"}  # those of one kind
WARMUP_S = 0.5
START_LIMIT_S = 10
STOP_LIMIT_S = 5
RUN_LIMIT_S = 60  # beside what the run itself takes


class Failed(Exception):
    """A run that brought no figures, with the reason."""


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# ---- servers ----

@dataclass(frozen=True)
class Server:
    peer: str
    kind: str
    program: Path
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Build:
    """Where the programs are: `build`, or `build/bench` itself."""
    bench: Path
    examples: Path

    @staticmethod
    def at(folder: Path) -> Build:
        bench = folder / "bench" if (folder / "bench").is_dir() else folder
        return Build(bench.absolute(), bench.absolute().parent / "examples")

    def server(self, peer: str, kind: str) -> Server:
        if peer == "nginx":
            return Server(peer, kind, Path(shutil.which("nginx", path=search_path()) or "nginx"))
        if peer.partition("-")[0] == "weft":
            options = ("--reactor", "epoll") if peer == "weft-epoll" else ()
            return Server(peer, kind, self.examples / f"{kind}_server", options)
        return Server(peer, kind, self.bench / f"{peer}-{kind}")

    def peers(self) -> list[str]:
        """Those that the README names, and whoever else has a server."""
        others = [path.name.rpartition("-")[0] for kind in CONNECTIONS
                  for path in sorted(self.bench.glob(f"*-{kind}"))]
        return list(dict.fromkeys([*PEERS, *others]))


def search_path() -> str:
    """Where nginx may be: sbin is not in everybody's PATH."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def is_wanted(peer: str, wanted: list[str]) -> bool:
    """`raw` means raw-epoll and raw-uring."""
    return not wanted or any(peer == w or peer.startswith(w + "-") for w in wanted)


def how_to_get(server: Server) -> str:
    if server.peer == "nginx":
        return "nginx is not there; install nginx-light"
    target = "examples" if server.peer.startswith("weft") else "bench-peers"
    if server.peer == "raw-uring":
        return f"{server.program} is not there; install liburing-dev, then `make {target}`"
    return f"{server.program} is not there; `make {target}` builds it or says what is missing"


def find_servers(build: Build, kind: str, wanted: list[str]) -> list[Server]:
    """The servers of a kind that are there; a line for each that is not."""
    found = []
    for peer in build.peers():
        if not is_wanted(peer, wanted) or ONLY.get(peer, kind) != kind:
            continue
        server = build.server(peer, kind)
        if server.program.is_file() and os.access(server.program, os.X_OK):
            found.append(server)
        elif peer in PEERS:
            tell(f"skip {peer}, {kind}: {how_to_get(server)}")
    return found


# ---- versions ----

def output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def weft_version() -> str:
    header = Path(__file__).absolute().parents[2] / "include" / "weft" / "base.h"
    text = header.read_text(encoding="utf-8") if header.is_file() else ""
    return ".".join(re.findall(r"^#define WEFT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text, re.M))


def version_of(server: Server, build: Build) -> str:
    """As the peer's own benchmark program says it, where there is one."""
    if server.peer.startswith("weft"):
        return weft_version()
    if server.peer == "nginx":
        return output_of(str(server.program), "-v").strip().rpartition("/")[2]
    program = build.bench / server.peer.partition("-")[0]
    rows = output_of(str(program), "--json", "--runs", "1", "idle_rss") if program.is_file() else ""
    match = re.search(r'"version":\s*"([^"]*)"', rows)
    return match.group(1) if match else ""


# ---- a server that runs ----

def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return int(s.getsockname()[1])


def nginx_config(program: str, folder: str, port: int, procs: int) -> str:
    """All that nginx writes goes to the folder; it logs nothing but its own errors."""
    built = output_of(program, "-V")
    paths = "".join(f"    {module}_temp_path {folder}/{module};\n"
                    for module in ("proxy", "fastcgi", "uwsgi", "scgi")
                    if f"--without-http_{module}_module" not in built)
    return f"""daemon off;
worker_processes {procs};
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    tcp_nodelay on;
    default_type text/plain;
    client_body_temp_path {folder}/client_body;
{paths}    server {{
        listen {HOST}:{port} backlog=4096{" reuseport" if procs > 1 else ""};
        location / {{ return 200 '{BODY.decode()}'; }}
    }}
}}
"""


def pinned(cpus: set[int] | None) -> Callable[[], None] | None:
    return None if cpus is None else lambda: os.sched_setaffinity(0, cpus)


def wait_for_line(process: subprocess.Popen[str]) -> int:
    """The port that the server says in its first line."""
    ready, _, _ = select.select([process.stdout], [], [], START_LIMIT_S)
    line = process.stdout.readline() if ready and process.stdout else ""
    match = re.fullmatch(r"listening on .*:(\d+)\s*", line)
    if match is None:
        raise Failed(f"no \"listening on\" in its first line, but {line.strip()!r}")
    return int(match.group(1))


def wait_for_port(process: subprocess.Popen[str], port: int) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < limit:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise Failed("it does not answer")


@contextmanager
def running(server: Server, procs: int, cpus: set[int] | None) -> Iterator[tuple[int, int]]:
    """Starts a server; its process and its port.  It is ended in any case."""
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        port = free_port() if server.peer == "nginx" else 0
        command = [str(server.program), "--host", HOST, "--port", "0", "--procs", str(procs),
                   *server.options]
        if server.peer == "nginx":
            config = Path(folder) / "nginx.conf"
            text = nginx_config(command[0], folder, port, procs)
            config.write_text(text, encoding="utf-8")
            command = [str(server.program), "-e", "stderr", "-p", folder, "-c", str(config)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   text=True, preexec_fn=pinned(cpus))
        try:
            if port:
                wait_for_port(process, port)
            else:
                port = wait_for_line(process)
            yield process.pid, port
            if process.poll() is not None:
                raise Failed(f"the server ended with {process.returncode}")
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


# ---- its CPU time ----

def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def family(pid: int) -> list[int]:
    """A process and those that it started."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in text_of(task / "children").split():
            pids += family(int(child))
    return pids


@dataclass(frozen=True)
class Cpu:
    """The CPU time of a server so far: of each thread in ns, and of its processes in ticks."""
    threads: dict[str, int]
    ticks: int

    @staticmethod
    def of(pid: int) -> Cpu:
        threads, ticks = {}, 0
        for one in family(pid):
            for task in Path(f"/proc/{one}/task").glob("*"):
                words = text_of(task / "schedstat").split()
                if words:
                    threads[task.name] = int(words[0])
            fields = text_of(Path(f"/proc/{one}/stat")).rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12]) if fields else 0
        return Cpu(threads, ticks)

    def since(self, begin: Cpu) -> float:
        """In us.  A thread that ended meanwhile is in the ticks only."""
        if not self.threads or set(begin.threads) - set(self.threads):
            return (self.ticks - begin.ticks) * 1e6 / os.sysconf("SC_CLK_TCK")
        return sum(ns - begin.threads.get(task, 0) for task, ns in self.threads.items()) / 1e3


# ---- the load ----

@dataclass(frozen=True)
class Load:
    program: str
    seconds: float
    cpus: set[int] | None

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen([self.program, *options], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, text=True, preexec_fn=pinned(self.cpus))

    def finish(self, process: subprocess.Popen[str]) -> str:
        try:
            out, _ = process.communicate(timeout=RUN_LIMIT_S + self.seconds)
        except subprocess.TimeoutExpired as error:
            raise Failed("the load does not end") from error
        finally:
            process.kill()
            process.wait()
        return out


def measure_echo(load: Load, pid: int, port: int, connections: int) -> dict[str, float]:
    process = load.start("--host", HOST, "--port", str(port), "--connections", str(connections),
                         "--seconds", str(load.seconds), "--warmup", str(WARMUP_S), "--marks",
                         "--json")
    cpu = []
    for word in ("begin", "end"):  # the server's clock is read as the measured time begins and ends
        line = process.stdout.readline() if process.stdout else ""
        if line.strip() != word:
            load.finish(process)
            raise Failed("the load could not begin")
        cpu.append(Cpu.of(pid))
    result = json.loads(load.finish(process) or "{}")
    if not result or result["errors"] or not result["requests"]:
        raise Failed(f"{result.get('errors', 'only')} errors")
    return {"cpu": cpu[1].since(cpu[0]) / result["requests"], "rps": result["rps"],
            "p50": result["p50_us"], "p99": result["p99_us"]}


def wrk_time(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}[unit]


def run_wrk(load: Load, port: int, connections: int, seconds: int) -> str:
    out = load.finish(load.start("-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                                 f"http://{HOST}:{port}/"))
    trouble = re.search(r"Socket errors:.*|Non-2xx.*|unable to .*", out)
    if trouble or "requests in" not in out:
        raise Failed(trouble.group(0) if trouble else "wrk says nothing")
    return out


def check_http(port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        if answer.status != 200 or answer.read() != BODY:
            raise Failed("GET / is not answered with 200 and the body of the benchmark")
    except http.client.HTTPException as error:
        raise Failed(f"GET / is not answered with HTTP: {error!r}") from error
    finally:
        connection.close()


def measure_http(load: Load, pid: int, port: int, connections: int) -> dict[str, float]:
    check_http(port)
    run_wrk(load, port, connections, 1)
    begin = Cpu.of(pid)
    out = run_wrk(load, port, connections, math.ceil(load.seconds))
    used = Cpu.of(pid).since(begin)
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    return {"cpu": used / requests,
            "rps": float(re.search(r"Requests/sec:\s*([\d.]+)", out).group(1)),
            "p50": wrk_time(re.search(r"^\s+50%\s+(\S+)", out, re.M).group(1)),
            "p99": wrk_time(re.search(r"^\s+99%\s+(\S+)", out, re.M).group(1))}


# ---- what is to be run ----

@dataclass(frozen=True)
class Case:
    kind: str
    connections: int
    placement: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.connections}.{self.placement}"

    @property
    def procs(self) -> int:
        return PLACEMENTS[self.placement]

    def rows(self, names: list[str]) -> list[str]:
        """The figures of this case that these names select."""
        return [figure for figure in FIGURES
                if not names or any(f"{self.name}.{figure}.".startswith(n + ".") for n in names)]

    def cpus(self) -> tuple[set[int] | None, set[int] | None]:
        """Of the server and of the load."""
        allowed = sorted(os.sched_getaffinity(0))
        if self.placement == "free":
            return None, None
        return {allowed[0]}, {allowed[0 if self.placement == "together" else 1]}


def all_cases() -> list[Case]:
    return [Case(kind, n, placement) for kind, numbers in CONNECTIONS.items() for n in numbers
            for placement in PLACEMENTS]


def choose_cases(names: list[str]) -> list[Case]:
    for name in names:
        if not any(case.rows([name]) for case in all_cases()):
            raise ValueError(f"there is nothing of the name '{name}': names are such as echo, "
                             "http.50, echo.1000.split, http.500.free.rps")
    cases = [case for case in all_cases() if case.rows(names)]
    if len(os.sched_getaffinity(0)) < 2:
        tell("skip split, free: there is only one CPU")
        cases = [case for case in cases if case.placement == "together"]
    return cases


Samples = dict[tuple[Case, Server], list[dict[str, float]]]


def measure(server: Server, case: Case, load_program: str, seconds: float) -> dict[str, float]:
    server_cpus, load_cpus = case.cpus()
    load = Load(load_program, seconds, load_cpus)
    how = measure_echo if case.kind == "echo" else measure_http
    with running(server, case.procs, server_cpus) as (pid, port):
        return how(load, pid, port, case.connections)


def run_all(cases: list[Case], servers: dict[str, list[Server]], loads: dict[str, str],
            rounds: int, seconds: float) -> tuple[Samples, int]:
    """The samples, and how many runs failed."""
    steps = []
    for i in range(rounds):
        for case in cases:
            group = servers[case.kind]
            first = i % max(1, len(group))
            steps += [(case, server) for server in group[first:] + group[:first]]
    tell(f"{len(steps)} runs, about {len(steps) * (seconds + 1.2) / 60:.0f} minutes")
    samples: Samples = defaultdict(list)
    n_failed = 0
    for i, (case, server) in enumerate(steps, 1):
        head = f"[{i}/{len(steps)}] {case.name} {server.peer}:"
        try:
            sample = measure(server, case, loads[case.kind], seconds)
        except (Failed, OSError, ValueError) as error:
            n_failed += 1
            tell(f"{head} FAIL: {error}")
            continue
        samples[case, server].append(sample)
        tell(f"{head} {sample['rps']:,.0f}/s, {sample['cpu']:.2f} us CPU a request, "
             f"p99 {sample['p99']:,.0f} us")
    return samples, n_failed


# ---- what is printed ----

def rounded(value: float) -> float:
    return float(f"{value:.5g}")


def print_rows(samples: Samples, versions: dict[str, str], names: list[str], rounds: int) -> None:
    """Samples are told where no round is missing, so that they can be compared by rounds."""
    for (case, server), found in samples.items():
        for figure in case.rows(names):
            values = [sample[figure] for sample in found]
            print(json.dumps({
                "peer": server.peer, "version": versions[server.peer],
                "name": f"{case.name}.{figure}", "procs": case.procs, "unit": FIGURES[figure],
                "median": rounded(statistics.median(values)), "min": rounded(min(values)),
                "max": rounded(max(values)), "runs": len(values),
                "samples": [rounded(v) for v in values] if len(values) == rounds else []},
                separators=(",", ":")))


def print_table(samples: Samples, versions: dict[str, str], names: list[str]) -> None:
    """A block a case, a line a server: medians, and the range of the first figure."""
    for case in dict.fromkeys(case for case, _ in samples):
        figures = case.rows(names)
        heads = [f"{figure} ({FIGURES[figure]})" for figure in figures]
        print(f"{case.name}, server with procs {case.procs}")
        print(f"  {'':24}" + "".join(f"{head:>18}" for head in heads) + f"   range of {figures[0]}")
        for (other, server), found in samples.items():
            if other != case:
                continue
            label = f"{server.peer} {versions[server.peer]}"[:24]
            cells = [statistics.median(sample[figure] for sample in found) for figure in figures]
            first = [sample[figures[0]] for sample in found]
            print(f"  {label:24}" + "".join(f"{cell:18,.5g}" if cell < 1000 else f"{cell:18,.0f}"
                                            for cell in cells)
                  + f"   {min(first):,.4g} to {max(first):,.4g}, {len(first)} runs")
        print()


# ---- the program ----

def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="servers.py", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME",
        help="such as echo, http.50, echo.1000.split, http.500.free.rps; all if none is named")
    add("--build", type=Path, default=Path("build"), metavar="DIR",
        help="where bench/ and examples/ are, or that bench/ itself (build)")
    add("--rounds", type=int, default=5, metavar="N", help="5")
    add("--seconds", type=float, default=3, metavar="S",
        help="of a run; wrk wants whole ones: rounded up (3)")
    add("--peers", default="", metavar="A,B", help="only these; raw means raw-epoll and raw-uring")
    add("--json", action="store_true", help="print rows as JSON")
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds <= 0:
        parser.error("--rounds and --seconds want more than 0")
    return args


def find_loads(build: Build, kinds: set[str]) -> dict[str, str]:
    """The load generators that are there; a line for each that is not."""
    loads = {"echo": str(build.bench / "load"), "http": shutil.which("wrk") or ""}
    if "echo" in kinds and not os.access(loads["echo"], os.X_OK):
        tell(f"skip echo: {loads['echo']} is not there; `make bench-build` builds it")
        loads["echo"] = ""
    if "http" in kinds and not loads["http"]:
        tell("skip http: wrk is not there; install wrk")
    return {kind: load for kind, load in loads.items() if load and kind in kinds}


def main() -> int:
    args = options()
    build = Build.at(args.build)
    wanted = [peer for peer in args.peers.split(",") if peer]
    try:
        cases = choose_cases(args.names)
    except ValueError as error:
        tell(f"servers.py: {error}")
        return 2
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for servers that do not ask for more
    loads = find_loads(build, {case.kind for case in cases})
    servers = {kind: find_servers(build, kind, wanted) for kind in loads}
    cases = [case for case in cases if case.kind in loads]
    versions = {server.peer: version_of(server, build)
                for group in servers.values() for server in group}
    samples, n_failed = run_all(cases, servers, loads, args.rounds, args.seconds)
    if args.json:
        print_rows(samples, versions, args.names, args.rounds)
    else:
        print_table(samples, versions, args.names)
    return 1 if n_failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
