# SPDX-License-Identifier: MIT
"""A row: one figure of one peer, as a benchmark program prints it (README.md, "A benchmark
program"), and several of them made one."""
from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass, replace
from typing import Callable, Iterable

TEXTS = ("peer", "version", "name", "unit")
NUMBERS = ("median", "min", "max")
WHOLES = ("procs", "runs")


class BadRow(ValueError):
    """A line that is no row, with the reason."""


@dataclass(frozen=True)
class Row:
    peer: str
    version: str
    name: str
    procs: int
    unit: str
    median: float
    min: float
    max: float
    runs: int
    samples: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.procs


def is_rate(unit: str) -> bool:
    """Of a rate (so many a second) more is better, of all else less."""
    return unit.endswith("/s")


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def from_object(row: object) -> Row:
    if not isinstance(row, dict):
        raise BadRow("not a JSON object")
    for field in TEXTS:
        if not isinstance(row.get(field), str):
            raise BadRow(f"'{field}' is no text")
    for field in NUMBERS:
        if not is_number(row.get(field)):
            raise BadRow(f"'{field}' is no number")
    for field in WHOLES:
        if not isinstance(row.get(field), int) or row[field] < 1:
            raise BadRow(f"'{field}' is no number of 1 or more")
    samples = row.get("samples", [])
    if not isinstance(samples, list) or not all(map(is_number, samples)):
        raise BadRow("'samples' is no list of numbers")
    fields = {field: row[field] for field in TEXTS + NUMBERS + WHOLES}
    return Row(**fields, samples=tuple(samples))


def parse(line: str) -> Row:
    try:
        return from_object(json.loads(line))
    except json.JSONDecodeError as error:
        raise BadRow(f"not JSON: {error}") from error


def to_object(row: Row) -> dict[str, object]:
    return {"peer": row.peer, "version": row.version, "name": row.name, "procs": row.procs,
            "unit": row.unit, "median": row.median, "min": row.min, "max": row.max,
            "runs": row.runs, "samples": list(row.samples)}


def merge(rows: list[Row]) -> Row:
    """The same figure of several rounds: the median of their medians, the range of their ranges."""
    samples = tuple(row.median for row in rows)
    return replace(rows[-1], median=statistics.median(samples), min=min(r.min for r in rows),
                   max=max(r.max for r in rows), runs=sum(r.runs for r in rows), samples=samples)


class Results:
    """Rows by what they measure and by peer, in the order in which they came."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.by_key: dict[tuple[str, int], dict[str, Row]] = {}
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        self.by_key.setdefault(row.key, {})[row.peer] = row

    def get(self, peer: str, name: str, procs: int) -> Row | None:
        return self.by_key.get((name, procs), {}).get(peer)

    def part(self, is_wanted: Callable[[str], bool]) -> Results:
        """The rows of some names."""
        return Results(row for row in self.rows() if is_wanted(row.name))

    def rows(self) -> list[Row]:
        return [row for peers in self.by_key.values() for row in peers.values()]

    def peers(self) -> list[str]:
        return list(dict.fromkeys(row.peer for row in self.rows()))

    def versions(self) -> dict[str, str]:
        return {row.peer: row.version for row in self.rows()}


def is_ours(peer: str) -> bool:
    """Weft, or a variant of it such as weft-epoll."""
    return peer.partition("-")[0] == "weft"


def is_floor(peer: str) -> bool:
    """Bare C has no scheduler: it shows what the machine can do and is no peer to be ahead of."""
    return peer.partition("-")[0] == "raw"


def best_of(rows: Iterable[Row]) -> Row | None:
    """The best of some rows of one key."""
    ordered = sorted(rows, key=lambda row: -row.median if is_rate(row.unit) else row.median)
    return ordered[0] if ordered else None


def best_peer(peers: dict[str, Row]) -> Row | None:
    return best_of(row for row in peers.values()
                   if not is_ours(row.peer) and not is_floor(row.peer))


def ratio(row: Row, base: Row) -> float | None:
    """How many times the cost of `base`: below 1 is better, for rates, too."""
    above, below = (base, row) if is_rate(row.unit) else (row, base)
    return above.median / below.median if above.median > 0 and below.median > 0 else None
