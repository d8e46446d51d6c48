# SPDX-License-Identifier: MIT
"""What Weft is to reach (targets.json), made to fit the machine and the run."""
from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from rows import Results, Row, best_of, is_rate

FILE = Path(__file__).with_name("targets.json")


@dataclass(frozen=True)
class Target:
    """One row's target: as it is written, and what it comes to here (None: cannot be told)."""
    figure: float
    times: tuple[str, ...] = ()
    low: float | None = None
    level: float = 0  # what counts as level, of 1
    limit: float | None = None
    beside: tuple[Row, ...] = ()  # what `times` came to

    @property
    def text(self) -> str:
        if self.level:
            return f"level with {'/'.join(self.times)}"
        low = "" if self.low is None else f"{self.low:g} to "
        return f"{low}{self.figure:g}" + (f" x {'/'.join(self.times)}" if self.times else "")

    def paired(self, row: Row) -> float | None:
        """How many times as much as the best peer's the row is, each round for itself: the median.
        What the machine does for minutes meets both of a round, and their medians not alike."""
        counts = {len(one.samples) for one in (row, *self.beside)}
        if not self.beside or len(counts) != 1 or counts == {0} or counts == {1}:
            return None
        ratios = [statistics.median(a / b for a, b in zip(row.samples, peer.samples))
                  for peer in self.beside]
        return min(ratios) if is_rate(row.unit) else max(ratios)

    def is_reached(self, row: Row) -> bool | None:
        if self.limit is None:
            return None
        times = self.paired(row)
        if is_rate(row.unit):
            return row.median >= self.limit if times is None else times >= self.most(row)
        if times is not None:
            return times <= self.most(row)
        return (self.low or 0) <= row.median <= self.limit

    def most(self, row: Row) -> float:
        """How many times as much: the limit, of rates the least."""
        return self.figure * (1 - self.level if is_rate(row.unit) else 1 + self.level)


class Targets:
    def __init__(self, results: Results, path: Path = FILE) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.results = results
        self.by_name: dict[str, dict] = content["rows"]
        self.scaling: dict[str, float] = content["scaling"]
        self.reference: dict = content["factor"]
        self.factor = self.machine_factor()

    def machine_factor(self) -> float | None:
        """How much slower than the machine of the targets this one is."""
        measured = self.results.get(*(self.reference[k] for k in ("peer", "name", "procs")))
        return measured.median / self.reference["reference"] if measured else None

    def of(self, name: str, procs: int) -> Target | None:
        entry = self.by_name.get(name, {})
        figure = entry.get("procs", {}).get(str(procs))
        if figure is None:
            return None
        low = entry.get("from")
        if "times" in entry:
            return self.by_peers(entry, figure, name, procs)
        if entry.get("scaled"):
            return Target(figure, low=low, limit=figure * self.factor if self.factor else None)
        return Target(figure, low=low, limit=figure)

    def by_peers(self, entry: dict, figure: float, name: str, procs: int) -> Target:
        times, level = tuple(entry["times"]), entry.get("level", 0)
        rows = [self.results.get(peer, name, procs) for peer in times]
        there = tuple(row for row in rows if row is not None)
        target = Target(figure, times, level=level, beside=there)
        best = best_of(there)
        return replace(target, limit=target.most(best) * best.median) if best else target
