# SPDX-License-Identifier: MIT
"""results.svg: how far Weft is ahead of the best peer, or behind it, row by row."""
from __future__ import annotations

import math
from typing import Iterable
from xml.sax.saxutils import escape

import machine as machines
from rows import Results, Row, best_peer, is_floor, ratio
from table import columns, figure, label
from workloads import is_server_row

WIDTH = 960
LEFT = 190       # where the names of the rows end
RIGHT = 90       # for the figures of Weft
TOP = 96
ROW = 20
BAR = 12
BOTTOM = 56
TICKS = [m * 10.0 ** e for e in range(-4, 7) for m in (1, 2, 5)]
COLOURS = ["#d97706", "#7c3aed", "#0891b2", "#be185d", "#65a30d", "#64748b"]
# A card of its own colour, so that it can be read on a page of any; dark where that is preferred.
STYLE = """
  .card { fill: #ffffff; stroke: #d4d4d8 }
  text { font: 12px system-ui, sans-serif; fill: #27272a }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 11px; fill: #52525b }
  .grid { stroke: #e4e4e7 } .one { stroke: #52525b }
  .ahead { fill: #16a34a } .behind { fill: #dc2626 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #18181b; stroke: #3f3f46 }
    text { fill: #e4e4e7 } .small { fill: #a1a1aa }
    .grid { stroke: #3f3f46 } .one { stroke: #d4d4d8 }
    .ahead { fill: #22c55e } .behind { fill: #f87171 }
  }
"""


class Scale:
    """From a ratio to a place on the line, by its logarithm."""

    def __init__(self, ratios: list[float]) -> None:
        self.low = max(t for t in TICKS if t <= min([0.5, *ratios]) or t == TICKS[0])
        self.high = min(t for t in TICKS if t >= max([2.0, *ratios]) or t == TICKS[-1])

    def x(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        ticks = [t for t in TICKS if self.low <= t <= self.high]
        if len(ticks) <= 12:
            return ticks
        return [t for t in ticks if math.isclose(math.log10(t), round(math.log10(t)))]


def text(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    style = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(content)}</text>'


def ratios_of(peers: dict[str, Row]) -> dict[str, float]:
    """Each peer's ratio to the best of them."""
    best = best_peer(peers)
    pairs = {} if best is None else {peer: ratio(row, best) for peer, row in peers.items()}
    return {peer: value for peer, value in pairs.items() if value and not is_floor(peer)}


def grid(scale: Scale, bottom: float) -> Iterable[str]:
    for tick in scale.ticks():
        x, css = scale.x(tick), "one" if tick == 1 else "grid"
        yield (f'<line class="{css}" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" '
               f'y2="{bottom:.1f}"/>')
        yield text(x, TOP - 12, f"{tick:g}", "small", "middle")
        yield text(x, bottom + 14, f"{tick:g}", "small", "middle")


def bar(scale: Scale, y: float, name: str, peers: dict[str, Row], ratios: dict[str, float],
        colours: dict[str, str]) -> Iterable[str]:
    """Weft's bar from 1 to its ratio, and a dot for each other peer."""
    yield text(LEFT - 10, y + BAR - 2, name, anchor="end")
    weft = ratios["weft"]
    ends = sorted([scale.x(1), scale.x(weft)])
    css = "ahead" if weft < 1 else "behind"
    yield (f'<rect class="{css}" x="{ends[0]:.1f}" y="{y:.1f}" height="{BAR}" rx="2" '
           f'width="{max(ends[1] - ends[0], 1):.1f}"><title>{escape(name)}: '
           f'{weft:.2f} times the best peer</title></rect>')
    for peer, value in ratios.items():
        if peer != "weft":
            yield (f'<circle cx="{scale.x(value):.1f}" cy="{y + BAR / 2:.1f}" r="4" '
                   f'fill="{colours[peer]}"><title>{escape(peer)}: '
                   f'{figure(peers[peer].median)} {escape(peers[peer].unit)}</title></circle>')
    row = peers["weft"]
    yield text(WIDTH - 12, y + BAR - 2, f"{figure(row.median)} {row.unit}", anchor="end")


def legend(colours: dict[str, str]) -> Iterable[str]:
    x = float(LEFT)
    yield f'<rect class="ahead" x="{x:.1f}" y="54" width="14" height="{BAR}" rx="2"/>'
    yield f'<rect class="behind" x="{x + 16:.1f}" y="54" width="14" height="{BAR}" rx="2"/>'
    yield text(x + 36, 64, "Weft ahead, behind")
    x += 160
    for peer, colour in colours.items():
        yield f'<circle cx="{x + 6:.1f}" cy="60" r="4" fill="{colour}"/>'
        yield text(x + 15, 64, peer)
        x += 30 + 8 * len(peer)


def is_drawn(name: str) -> bool:
    """Of servers what they cost and how many requests they answer."""
    return not is_server_row(name) or name.endswith((".cpu", ".rps"))


def draw(results: Results, machine: dict[str, object]) -> str:
    results = results.part(is_drawn)
    rows = [(label(*key), peers, ratios) for key, peers in results.by_key.items()
            if "weft" in (ratios := ratios_of(peers))]
    others = [p for p in columns(results) if p != "weft" and not is_floor(p)]
    colours = {peer: COLOURS[i % len(COLOURS)] for i, peer in enumerate(others)}
    scale = Scale([value for _, _, ratios in rows for value in ratios.values()])
    bottom = TOP + ROW * len(rows)
    height = bottom + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="Weft beside its peers">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" '
        'fill="#ffffff"/>',
        text(20, 30, "Weft beside the best of its peers", "title"),
        text(20, 46, "time, memory or 1 / rate, as a multiple of the best peer's; left is better",
             "small"),
        *legend(colours),
        text(WIDTH - 12, TOP - 12, "Weft", "small", "end"),
        *grid(scale, bottom),
    ]
    for i, (name, peers, ratios) in enumerate(rows):
        parts += bar(scale, TOP + ROW * i, name, peers, ratios, colours)
    parts.append(text(20, height - 12, machines.summary(machine), "small"))
    return "\n".join([*parts, "</svg>", ""])
