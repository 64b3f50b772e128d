"""The charts of a report: each a function from figures to a Vega-Lite specification, and what draws it as SVG.

Colours are CSS variables of the page, so that one drawing serves light, dark and paper. Each mark that holds a value says it
in words, its `aria-label`: a screen reader reads it, and the page shows it at the pointer and to the keyboard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from mtk.errors import UsageError
from mtk.study.answers import Calibration
from mtk.study.curves import Curve, Point, thinned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Spec = dict[str, Any]

MOST_POINTS = 100  # of a curve: more than a chart this wide can show apart
MOST_DOTS = 300  # of a scatter plot
WIDTH, HEIGHT = 300, 150
SHARES = [0, 0.25, 0.5, 0.75, 1]
DOMAINS = (0.05, 0.1, 0.2, 0.5, 1.0)  # of cosines: a chart takes the smallest that holds them all

_AXIS = {
    "labelColor": "var(--muted)",
    "titleColor": "var(--muted)",
    "gridColor": "var(--line)",
    "domain": False,
    "ticks": False,
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "labelPadding": 6,
    "titlePadding": 8,
}
_CONFIG: Spec = {
    "font": "Arial, Helvetica, sans-serif",
    "background": None,
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"grid": False, "tickCount": 5, "labelFlush": True},
    "axisY": {"tickCount": 4},
    "text": {"fill": "var(--ink)", "fontSize": 11},
    "rule": {"stroke": "var(--line)"},
    "rect": {"stroke": "var(--paper)", "strokeWidth": 1},
}


@dataclass(frozen=True)
class Line:
    """One curve of a chart."""

    name: str
    curve: Curve
    color: str = "var(--first)"
    dash: tuple[int, ...] = ()
    dots: bool = False  # whether its points are to be seen, where there are few


def svg(spec: Spec) -> str:
    """The drawing. Raises UsageError where what draws is not installed."""
    return _drawn(msgspec.json.encode({"config": _CONFIG, "padding": 4, **spec}).decode())


@lru_cache(maxsize=1024)  # a page is put together more than once, until it is known what has room
def _drawn(spec: str) -> str:
    try:
        import vl_convert
    except ImportError as error:
        raise UsageError(
            f"A report needs what draws its charts: pip install 'multitask-toolkit[report]' ({error})"
        ) from error
    return _slim(vl_convert.vegalite_to_svg(spec))


def _slim(drawing: str) -> str:
    """The same in half the bytes: places to a hundredth of a pixel, circles as such, and of roles the one that every reader
    knows."""
    drawing = re.sub(
        r'(?<= )(transform|d|x|y|x2|y2)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), drawing
    )
    drawing = re.sub(
        r'<path ([^>]*)d="M([\d.]+),0A\2,\2,0,1,1,-\2,0A\2,\2,0,1,1,\2,0"([^>]*)/>', r'<circle \1r="\2"\3/>', drawing
    )
    drawing = re.sub(r'role="graphics-symbol" aria-roledescription="(circle|rect|bar|point)"', 'role="img"', drawing)
    return drawing.replace(' opacity="1"', "").replace(' stroke-miterlimit="10"', "")


def lines(series: Sequence[Line], *, y: str = "", form: str = ".3f", best: Point | None = None, **size: int) -> Spec:
    """Curves over the steps; `best` is the point of one that is pointed out."""
    layers: list[Spec] = []
    over = _over_steps(y, form, [point.value for line in series for point in line.curve])
    for line in series:
        values = [_told(line.name, point, form) for point in thinned(line.curve, MOST_POINTS)]
        mark = {
            "type": "line",
            "stroke": line.color,
            "strokeWidth": 1.75,
            "strokeDash": list(line.dash),
            "strokeJoin": "round",
        }
        layers.append({"data": {"values": values}, "mark": {**mark, "aria": False}, "encoding": over})
        seen = {"size": 34, "opacity": 1} if line.dots else {"size": 40, "opacity": 0}
        layers.append({
            "data": {"values": values},
            "mark": {"type": "circle", "fill": line.color, **seen},
            "encoding": {**over, "description": {"field": "told"}},
        })  # fmt: skip
    if best:
        ring = {"type": "point", "stroke": "var(--ink)", "size": 130, "strokeWidth": 1.5, "aria": False}
        layers.append({"data": {"values": [best._asdict()]}, "mark": ring, "encoding": over})
    return _sized(layers, **size)


def agreement(name: str, curve: Curve, domain: float, **size: int) -> Spec:
    """The cosine of two tasks' gradients over the steps, between minus `domain` and `domain`."""
    points = thinned(curve, MOST_POINTS)
    values = [{**_told(name, p, "+.3f"), "above": max(p.value, 0), "below": min(p.value, 0)} for p in points]
    x, scale = _over_steps("", "")["x"], {"domain": [-domain, domain], "nice": False}
    axis = {"title": None, "values": [-domain, 0, domain], "format": "+~g"}

    def area(field: str, color: str) -> Spec:
        mark = {"type": "area", "fill": color, "fillOpacity": 0.3, "aria": False}
        return {
            "mark": mark,
            "encoding": {"x": x, "y": {"field": field, "type": "quantitative", "scale": scale, "axis": axis}},
        }

    y = {"field": "value", "type": "quantitative", "scale": scale, "axis": axis}
    layers = [
        area("above", "var(--agree)"),
        area("below", "var(--conflict)"),
        {"mark": {"type": "rule", "stroke": "var(--muted)", "aria": False}, "encoding": {"y": {"datum": 0}}},
        {"mark": {"type": "line", "stroke": "var(--ink)", "strokeWidth": 1.25, "aria": False}, "encoding": {"x": x, "y": y}},
        {
            "mark": {"type": "circle", "fill": "var(--ink)", "size": 40, "opacity": 0},
            "encoding": {"x": x, "y": y, "description": {"field": "told"}},
        },
    ]
    return {"data": {"values": values}, **_sized(layers, **{"height": 110, **size})}


def domain_of(curves: Sequence[Curve]) -> float:
    """The cosine up to which charts of these go."""
    highest = max((abs(point.value) for curve in curves for point in thinned(curve, MOST_POINTS)), default=1.0)
    return next((domain for domain in DOMAINS if highest <= domain), 1.0)


def layers_over_steps(of_layers: Mapping[str, Curve], domain: float, columns: int = 24) -> Spec:
    """The cosine of two tasks' gradients in each layer over the steps: the stronger the colour, the farther from 0."""
    values = []
    for layer, curve in of_layers.items():
        before = 0
        for point in thinned(curve, columns):
            steps = f"step {point.step:,}" if point.step == before + 1 else f"steps {before + 1:,} to {point.step:,}"
            told = f"{layer}, {steps}: cosine {point.value:+.3f}"
            strength = min(1.0, abs(point.value) / domain)
            place = {"layer": layer, "from": before, "step": point.step}
            values.append({**place, "value": point.value, "strength": strength, "told": told})
            before = point.step
    encoding = {
        "x": {"field": "from", "type": "quantitative", "title": "step", "scale": {"nice": False}},
        "x2": {"field": "step"},
        "y": {"field": "layer", "type": "nominal", "sort": list(of_layers), "title": None, "axis": {"grid": False}},
        "fill": {"condition": {"test": "datum.value < 0", "value": "var(--conflict)"}, "value": "var(--agree)"},
        "fillOpacity": _strength("strength", 1.0),
        "description": {"field": "told"},
    }
    mark = {"type": "rect", "strokeWidth": 0}
    height = max(70, 17 * len(of_layers))
    return {"data": {"values": values}, "mark": mark, "encoding": encoding, "width": WIDTH - 40, "height": height}


def before_and_after(shares: Mapping[str, tuple[float, float]], **size: int) -> Spec:
    """For each name a share before (a ring) and after (a dot)."""
    values = [
        {"name": name, "before": before, "after": after, "told": f"{name}: {before:.1%} before, {after:.1%} after"}
        for name, (before, after) in shares.items()
    ]
    y = {"field": "name", "type": "nominal", "sort": list(shares), "title": None, "axis": {"grid": False, "labelLimit": 190}}

    def x(field: str) -> Spec:
        axis = {"format": ".0%", "values": SHARES, "grid": True}
        return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1]}, "title": None, "axis": axis}

    layers = [
        {
            "mark": {"type": "rule", "stroke": "var(--muted)", "strokeWidth": 1.5, "aria": False},
            "encoding": {"y": y, "x": x("before"), "x2": {"field": "after"}},
        },
        {
            "mark": {
                "type": "point",
                "stroke": "var(--conflict)",
                "fill": "var(--paper)",
                "size": 64,
                "strokeWidth": 2,
                "aria": False,
            },
            "encoding": {"y": y, "x": x("before")},
        },
        {
            "mark": {"type": "circle", "fill": "var(--first)", "opacity": 1, "size": 64},
            "encoding": {"y": y, "x": x("after"), "description": {"field": "told"}},
        },
    ]
    return {"data": {"values": values}, **_sized(layers, **{"height": max(50, 26 * len(values)), **size})}


def confusion(matrix: NDArray[np.int64], labels: Sequence[str]) -> Spec:
    """How many rows of each label (a line) were answered with which (a column); the colour is the share of the line."""
    values = []
    for label, line in zip(labels, matrix.tolist(), strict=True):
        for answer, count in zip(labels, line, strict=True):
            share = count / sum(line) if sum(line) else 0.0
            told = f"{label} answered as {answer}: {count:,} of {sum(line):,} ({share:.0%})"
            values.append(
                {"label": label, "answer": answer, "count": count, "share": share, "right": label == answer, "told": told}
            )
    size = max(26, min(72, 264 // len(labels)))
    place = {"type": "nominal", "sort": list(labels)}
    axis = {"grid": False, "labelLimit": 84, "labelOverlap": False}
    above = {**axis, "orient": "top", "labelAngle": 0 if len(labels) < 6 else -40}
    x = {**place, "field": "answer", "title": "answered", "axis": above}
    y = {**place, "field": "label", "title": "label", "axis": axis}
    fill = {"condition": {"test": "datum.right", "value": "var(--agree)"}, "value": "var(--conflict)"}
    strength = _strength("share", 0.55)  # on which a number can be read, by day and by night
    layers = [
        {
            "mark": {"type": "rect", "cornerRadius": 2},
            "encoding": {"x": x, "y": y, "fill": fill, "fillOpacity": strength, "description": {"field": "told"}},
        },
        {
            "mark": {"type": "text", "aria": False, "fontSize": 11 if size > 30 else 9},
            "encoding": {"x": x, "y": y, "text": {"field": "count", "format": ","}},
        },
    ]
    return {"data": {"values": values}, "layer": layers, "width": size * len(labels), "height": size * len(labels)}


def reliability(found: Calibration) -> Spec:
    """Accuracy by confidence: on the diagonal a model's probabilities can be taken at their word."""
    values = [
        {
            **b._asdict(),
            "told": f"answers with a mean confidence of {b.confidence:.0%}: {b.accuracy:.0%} of {b.rows:,} were right",
        }
        for b in found.bins
    ]

    def axis(field: str, title: str, grid: bool) -> Spec:
        shown = {"format": ".0%", "values": SHARES, "grid": grid}
        return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1]}, "title": title, "axis": shown}

    x, y = axis("confidence", "confidence", False), axis("accuracy", "accuracy", True)
    largest = max(b.rows for b in found.bins)
    size = {"field": "rows", "type": "quantitative", "scale": {"domain": [0, largest], "range": [20, 260]}, "legend": None}
    layers = [
        _diagonal(0, 1, "confidence", "accuracy"),
        {
            "mark": {"type": "rule", "stroke": "var(--conflict)", "strokeWidth": 1.5, "aria": False},
            "encoding": {"x": x, "y": y, "y2": {"field": "confidence"}},
        },
        {
            "mark": {"type": "circle", "fill": "var(--first)", "opacity": 0.9},
            "encoding": {"x": x, "y": y, "size": size, "description": {"field": "told"}},
        },
    ]
    return {"data": {"values": values}, "layer": layers, "width": 230, "height": 200}


def scatter(labels: Sequence[float], predictions: Sequence[float]) -> Spec:
    """Scores as they were labelled and as they were predicted; every so manieth, where there are many."""
    step = -(-len(labels) // MOST_DOTS)
    rows = list(zip(labels, predictions, strict=True))[::step]
    values = [{"x": round(x, 3), "y": round(y, 3), "told": f"label {x:.2f}, predicted {y:.2f}"} for x, y in rows]
    low, high = min(map(min, rows)), max(map(max, rows))

    def axis(field: str, title: str) -> Spec:
        return {"field": field, "type": "quantitative", "title": title, "scale": {"domain": [low, high]}}

    dots = {"type": "circle", "fill": "var(--first)", "opacity": 0.35, "size": 26}
    encoding = {"x": axis("x", "label"), "y": axis("y", "predicted"), "description": {"field": "told"}}
    return {
        "data": {"values": values},
        "layer": [_diagonal(low, high, "label", "predicted"), {"mark": dots, "encoding": encoding}],
        "width": 230,
        "height": 200,
    }


def intervals(rows: Mapping[str, tuple[float, float, float]], form: str = "+.3f", title: str = "") -> Spec:
    """For each name a difference and its interval, beside a line at 0."""
    values = []
    for name, (value, low, high) in rows.items():
        told = f"{name}: {value:{form}}, from {low:{form}} to {high:{form}}"
        values.append({"name": name, "value": value, "low": low, "high": high, "sure": low > 0 or high < 0, "told": told})
    y = {"field": "name", "type": "nominal", "sort": list(rows), "title": None, "axis": {"grid": False, "labelLimit": 260}}
    x = {"type": "quantitative", "title": title or None, "scale": {"nice": True}, "axis": {"format": "+~g", "grid": True}}
    color = {"condition": {"test": "datum.sure", "value": "var(--first)"}, "value": "var(--muted)"}
    layers: list[Spec] = [
        {"mark": {"type": "rule", "stroke": "var(--ink)", "aria": False}, "encoding": {"x": {"datum": 0}}},
        {
            "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
            "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "stroke": color},
        },
        {
            "mark": {"type": "circle", "size": 70, "opacity": 1},
            "encoding": {"y": y, "x": {**x, "field": "value"}, "fill": color, "description": {"field": "told"}},
        },
    ]
    return {"data": {"values": values}, **_sized(layers, width=420, height=max(60, 26 * len(rows)))}


def _told(name: str, point: Point, form: str) -> Spec:
    return {"step": point.step, "value": point.value, "told": f"{name}, step {point.step:,}: {point.value:{form}}"}


def _over_steps(title: str, form: str, values: Sequence[float] = ()) -> dict[str, Spec]:
    """Steps to the right, values upwards. Values that are all one would have a scale of one tick, and that rounded."""
    axis = {"format": "~%"} if form.endswith("%") else {}
    scale: Spec = {"zero": False}
    if values and min(values) == max(values):
        around = abs(values[0]) / 10 or 0.1
        scale["domain"] = [values[0] - around, values[0] + around]
    return {
        "x": {"field": "step", "type": "quantitative", "title": "step", "scale": {"nice": False, "zero": True}},
        "y": {"field": "value", "type": "quantitative", "title": title or None, "scale": scale, "axis": axis},
    }


def _strength(field: str, most: float) -> Spec:
    """How strong a colour is for a share."""
    return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.03, most]}, "legend": None}


def _diagonal(low: float, high: float, x: str, y: str) -> Spec:
    ends = {"values": [{"x": low, "y": low}, {"x": high, "y": high}]}
    mark = {"type": "line", "stroke": "var(--muted)", "strokeDash": [3, 3], "strokeWidth": 1, "aria": False}
    encoding = {
        axis: {"field": axis, "type": "quantitative", "title": title} for axis, title in zip("xy", (x, y), strict=True)
    }
    return {"data": ends, "mark": mark, "encoding": encoding}


def _sized(layers: list[Spec], width: int = WIDTH, height: int = HEIGHT) -> Spec:
    return {"layer": layers, "width": width, "height": height}
