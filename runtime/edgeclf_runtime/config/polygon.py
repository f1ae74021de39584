"""Check a polygon of run.toml."""

from __future__ import annotations

import itertools

from edgeclf_runtime.pictures.view import Polygon, Region

__all__ = ["polygon_mistakes", "region_around"]

_CLOSE = 1e-4  # share of the image that may be a rounding error
_Point = tuple[float, float]


def region_around(points: Polygon) -> Region:
    """Return the smallest region that contains a valid polygon."""
    left, top = (max(0.0, min(point[axis] for point in points)) for axis in (0, 1))
    right, bottom = (min(1.0, max(point[axis] for point in points)) for axis in (0, 1))
    return left, top, right - left, bottom - top


def polygon_mistakes(points: Polygon) -> list[str]:
    """Return the errors in a polygon; empty if it is valid or has no points."""
    if not points:
        return []
    if len(points) < 3:
        return [f"polygon: expected at least 3 points, got {len(points)}"]
    if any(not -_CLOSE <= share <= 1 + _CLOSE for point in points for share in point):
        return ["polygon: expected points [left, top] as shares within 0 to 1"]
    sides = list(zip(points, (*points[1:], points[0])))
    count = len(sides)
    if any(begin == end for begin, end in sides):
        return ["polygon: the same point twice in a row"]
    apart = [(a, b) for a, b in itertools.combinations(range(count), 2) if b - a > 1 and (a, b) != (0, count - 1)]
    if any(_meet(*sides[a], *sides[b]) for a, b in apart):
        return ["polygon: its sides cross"]
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)) / 2
    return [] if area > _CLOSE**2 else ["polygon: its points lie on a line"]


def _meet(a: _Point, b: _Point, c: _Point, d: _Point) -> bool:
    """Return whether the segments from a to b and from c to d have a point in common."""
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    turns = [_turn(*three) for three in ends]
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    return any(turn == 0 and _is_between(*three) for turn, three in zip(turns, ends))


def _turn(a: _Point, b: _Point, c: _Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _is_between(a: _Point, b: _Point, point: _Point) -> bool:
    """Return whether a point on the line through a and b lies between them."""
    return all(min(a[axis], b[axis]) <= point[axis] <= max(a[axis], b[axis]) for axis in (0, 1))
