# SPDX-License-Identifier: MIT
"""The table for people: a row a figure, a column a peer."""
from __future__ import annotations

from dataclasses import dataclass, field

import machine as machines
from rows import Results, Row, best_of, best_peer, is_floor, is_ours, is_rate, ratio
from targets import Target, Targets
from workloads import SCALING, is_server_row


@dataclass
class Table:
    head: list[str]
    lines: list[list[str]] = field(default_factory=list)
    n_left: int = 1  # the first columns are texts, the others figures

    def text(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.head, *self.lines)]
        return "\n".join(self.text_line(line, widths) for line in [self.head, *self.lines])

    def text_line(self, cells: list[str], widths: list[int]) -> str:
        pads = [cell.ljust(width) if i < self.n_left else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(cells, widths))]
        return "  ".join(pads).rstrip()

    def markdown(self) -> str:
        rule = ["---" if i < self.n_left else "---:" for i in range(len(self.head))]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [self.head, rule, *self.lines])


def figure(value: float) -> str:
    """Three digits, and all of those before the point."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def cell(row: Row | None, with_range: bool) -> str:
    if row is None:
        return "-"
    return figure(row.median) + (f" ({figure(row.min)}-{figure(row.max)})" if with_range else "")


def label(name: str, procs: int) -> str:
    return f"{name}, P={procs}"


def ratio_cell(peers: dict[str, Row]) -> str:
    weft, best = peers.get("weft"), best_peer(peers)
    times = ratio(weft, best) if weft and best else None
    return "-" if times is None else f"{times:.2f}"


def target_cells(target: Target | None, weft: Row | None) -> list[str]:
    """The target as it was set, what it comes to here, and whether it is reached."""
    if target is None:
        return ["", "", ""]
    is_reached = target.is_reached(weft) if weft else None
    limit = "?" if target.limit is None else figure(target.limit)
    told = {True: "reached", False: "short", None: "?"}[is_reached]
    times = target.paired(weft) if weft else None
    told += "" if times is None else f", {times:.3f}"
    return [target.text, limit, told]


def columns(results: Results) -> list[str]:
    """Weft first, bare C last, the others as they came."""
    return sorted(results.peers(), key=lambda p: (p != "weft", not is_ours(p), is_floor(p)))


def main_table(results: Results, targets: Targets, is_markdown: bool, with_range: bool) -> Table:
    peers = columns(results)
    table = Table(["row", "unit", *peers, "Weft / best", "target", "here", ""], n_left=2)
    for (name, procs), by_peer in results.by_key.items():
        best = best_of(row for row in by_peer.values() if not is_floor(row.peer))
        cells = []
        for peer in peers:
            text = cell(by_peer.get(peer), with_range)
            cells.append(f"**{text}**" if is_markdown and best and best.peer == peer else text)
        unit = next(iter(by_peer.values())).unit
        table.lines.append([label(name, procs), unit, *cells, ratio_cell(by_peer),
                            *target_cells(targets.of(name, procs), by_peer.get("weft"))])
    return table


def scaling_of(results: Results, peer: str, name: str) -> float | None:
    """The time with one processor / the time with two; a rate the other way round."""
    one, two = results.get(peer, name, 1), results.get(peer, name, 2)
    return ratio(one, two) if one and two else None


def scaling_table(results: Results, targets: Targets) -> Table | None:
    peers = columns(results)
    table = Table(["P=1 / P=2", *peers, "target", ""])
    for name in SCALING:
        times = {peer: scaling_of(results, peer, name) for peer in peers}
        if not any(times.values()):
            continue
        goal, weft = targets.scaling.get(name), times.get("weft")
        told = "" if goal is None or weft is None else "reached" if weft >= goal else "short"
        table.lines.append([name, *(f"{t:.2f}" if t else "-" for t in times.values()),
                            "" if goal is None else f"{goal:g}", told])
    return table if table.lines else None


def factor_line(targets: Targets) -> str:
    reference = targets.reference
    what = f"{reference['peer']} {reference['name']} at P={reference['procs']}"
    if targets.factor is None:
        return f"machine factor: not known, since {what} was not measured"
    measured = targets.factor * reference["reference"]
    return (f"machine factor: {targets.factor:.2f} ({what}: {figure(measured)} ns here, "
            f"{reference['reference']} ns where the targets in ns were set)")


def notes(results: Results, machine: dict[str, object]) -> list[str]:
    """What a reader must know of the columns."""
    versions = results.versions()
    lines = [machines.summary(machine),
             ", ".join(f"{peer} {versions[peer]}" for peer in columns(results)),
             "medians; Weft / best: below 1 means that Weft is ahead of the best peer"]
    if any(is_rate(row.unit) for row in results.rows()):
        lines[-1] += " (of rates, too)"
    lines.append("behind reached or short: Weft by the target's peer, round by round, the median")
    if floors := [peer for peer in columns(results) if is_floor(peer)]:
        lines.append(", ".join(floors) + ": bare C without a scheduler, what the machine can do; "
                     "not among the peers")
    return lines


def report(results: Results, machine: dict[str, object], is_markdown: bool,
           with_range: bool) -> str:
    """All that is printed in the end."""
    targets = Targets(results)
    calls, servers = results.part(lambda n: not is_server_row(n)), results.part(is_server_row)
    tables = [main_table(part, targets, is_markdown, with_range)
              for part in (calls, servers) if part.by_key]
    scaling = scaling_table(calls, targets)
    tables += [scaling] if scaling else []
    parts = [t.markdown() if is_markdown else t.text() for t in tables]
    last = "\n".join([*notes(results, machine), factor_line(targets)])
    return "\n\n".join([*parts, last.replace("\n", "  \n") if is_markdown else last])
