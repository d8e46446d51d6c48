# SPDX-License-Identifier: MIT
"""What is asked of a benchmark program, by the names of README.md, and how often."""
from __future__ import annotations

from dataclasses import dataclass

HEAVY_ROUNDS = 3
LIGHT_LIMIT_S = 60
HEAVY_LIMIT_S = 300


@dataclass(frozen=True)
class Workload:
    name: str
    is_heavy: bool = False  # seconds a run: fewer rounds
    is_quick: bool = False  # belongs to `make bench-quick`
    seconds: float = 0.7    # a first guess of what one run with its warm-up takes
    procs: tuple[int, ...] = ()  # with these only; empty: with any

    def procs_of(self, wanted: list[int]) -> list[int]:
        return [p for p in wanted if p in self.procs or not self.procs]

    @property
    def limit_s(self) -> int:
        return HEAVY_LIMIT_S if self.is_heavy else LIGHT_LIMIT_S

    def rounds(self, n_rounds: int) -> set[int]:
        """The rounds that it runs in: a heavy one in three, spread over the whole time."""
        n = min(HEAVY_ROUNDS, n_rounds) if self.is_heavy else n_rounds
        return {i * n_rounds // n for i in range(n)}


QUICK = ["yield", "spawn_one", "spawn_batch", "chan_unbuf", "chan_buf", "chan_mpmc", "select2",
         "select8", "mutex"]
WORKLOADS = [
    *(Workload(name, is_quick=True) for name in QUICK),
    Workload("skynet", is_heavy=True, seconds=6),
    Workload("fib", is_heavy=True, seconds=4),
    Workload("skynet_work"),
    Workload("fib_work"),
    Workload("pairs", is_quick=True),
    Workload("parked", is_heavy=True, seconds=8),
    Workload("timers", is_heavy=True, seconds=8),
    Workload("sleep", seconds=1.5),
    Workload("startup", is_quick=True, seconds=0.3),
    Workload("idle_rss", is_quick=True, seconds=0.2),
    Workload("mixed", is_heavy=True, seconds=4),
    Workload("fair", procs=(1,)),
]
SCALING = ["skynet_work", "fib_work", "pairs"]  # time with one processor / time with two
SERVERS = ["echo", "http"]  # rows of servers.py: echo.50.split.cpu


def is_server_row(name: str) -> bool:
    return name.partition(".")[0] in SERVERS


class UnknownName(ValueError):
    """A name that is no workload, with the list of those that are."""


def choose(names: list[str], quick: bool) -> list[Workload]:
    """The workloads of these names, or all; `parked.bytes` is measured by `parked`."""
    known = {workload.name for workload in WORKLOADS}
    wanted = {name if name in known else name.partition(".")[0] for name in names}
    for name in sorted(wanted - known):
        raise UnknownName(f"unknown workload '{name}': there are "
                          + ", ".join(workload.name for workload in WORKLOADS))
    return [w for w in WORKLOADS if (w.name in wanted or not names) and (w.is_quick or not quick)]
