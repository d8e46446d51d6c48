# SPDX-License-Identifier: MIT
"""What Weft is to reach (targets.json), made to fit the machine and the run."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rows import Results, Row, best_of, is_rate

FILE = Path(__file__).with_name("targets.json")


@dataclass(frozen=True)
class Target:
    """One row's target: as it is written, and what it comes to here (None: cannot be told)."""
    figure: float
    times: tuple[str, ...]
    low: float | None
    limit: float | None

    @property
    def text(self) -> str:
        low = "" if self.low is None else f"{self.low:g} to "
        return f"{low}{self.figure:g}" + (f" x {'/'.join(self.times)}" if self.times else "")

    def is_reached(self, row: Row) -> bool | None:
        if self.limit is None:
            return None
        if is_rate(row.unit):
            return row.median >= self.limit
        return (self.low or 0) <= row.median <= self.limit


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
        times = tuple(entry.get("times", ()))
        return Target(figure, times, entry.get("from"), self.limit(entry, figure, name, procs))

    def limit(self, entry: dict, figure: float, name: str, procs: int) -> float | None:
        if entry.get("scaled"):
            return figure * self.factor if self.factor else None
        if "times" not in entry:
            return figure
        rows = [self.results.get(peer, name, procs) for peer in entry["times"]]
        best = best_of(row for row in rows if row is not None)
        return figure * best.median if best else None
