"""Charts of money over days: what is drawn where. The template makes SVG of it; colours are the page's. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bickford_sora.decisions.amounts import MICRO

WIDTH = 720
HEIGHT = 220
LEFT = 64
"""Room for the amounts beside the scale."""
BOTTOM = 24
"""Room for the days below."""
TOP = 12
STEPS = 4
"""Lines of the scale above zero, at most."""
LABELS_MAX = 8
"""Days that are named below."""
BAR_OF_DAY = 0.64
"""How much of a day's width its bar takes."""


@dataclass(frozen=True, slots=True)
class Day:
    """The money of one day, in millionths."""

    name: str
    settled_micro: int
    open_micro: int
    """Set aside, and not settled yet."""

    @property
    def used_micro(self) -> int:
        """Both."""
        return self.settled_micro + self.open_micro


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: what was settled below, what is still set aside on top of it."""

    day: Day
    x: float
    width: float
    settled_y: float
    settled_height: float
    open_y: float
    open_height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line across the chart, with what it stands for."""

    y: float
    micro: int


@dataclass(frozen=True, slots=True)
class Label:
    """A day's name below the chart."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart."""

    bars: Sequence[Bar]
    scale: Sequence[Line]
    caps: Sequence[Line]
    labels: Sequence[Label]
    used: str = ""
    """Points of the line of what was used until each day; empty where there is none."""
    settled: str = ""
    """The same of what was settled."""
    expected: str = ""
    """From the last day that is over to what is expected on the last."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def daily(days: Sequence[Day], caps: Sequence[int]) -> Chart:
    """A bar a day, below the caps of a day."""
    top = _top([*(each.used_micro for each in days), *caps])
    width = _width(days)
    bars = []
    for number, day in enumerate(days):
        settled, used = _y(day.settled_micro, top), _y(day.used_micro, top)
        x = LEFT + (number + (1 - BAR_OF_DAY) / 2) * width
        bars.append(
            Bar(day, _r(x), _r(width * BAR_OF_DAY), settled, _r(_y(0, top) - settled), used, _r(settled - used))
        )
    return Chart(bars, _scale(top), _lines(caps, top), _labels(days))


def running(days: Sequence[Day], caps: Sequence[int], *, passed: int, expected_micro: int | None) -> Chart:
    """What was used and settled until each of the days that have `passed`, what is expected, and the caps of it all."""
    used = [*accumulate(each.used_micro for each in days[:passed])]
    settled = [*accumulate(each.settled_micro for each in days[:passed])]
    top = _top([*used, *caps, expected_micro or 0])
    expected = ""
    if expected_micro is not None and 0 < passed < len(days):
        expected = f"{_point(passed, used[-1], days, top)} {_point(len(days), expected_micro, days, top)}"
    return Chart(
        [],
        _scale(top),
        _lines(caps, top),
        _labels(days),
        used=_points(used, days, top),
        settled=_points(settled, days, top),
        expected=expected,
    )


def _points(amounts: Sequence[int], days: Sequence[Day], top: int) -> str:
    return " ".join(_point(number, amount, days, top) for number, amount in enumerate([0, *amounts]))


def _point(number: int, micro: int, days: Sequence[Day], top: int) -> str:
    return f"{_r(LEFT + number * _width(days))},{_y(micro, top)}"


def _width(days: Sequence[Day]) -> float:
    return (WIDTH - LEFT) / max(1, len(days))


def _y(micro: int, top: int) -> float:
    return _r(TOP + (HEIGHT - TOP - BOTTOM) * (1 - micro / top))


def _top(amounts: Sequence[int]) -> int:
    """The end of the scale: a round amount that nothing is above."""
    highest = max([*amounts, MICRO // 100])
    return STEPS * _step(highest / STEPS)


def _step(least: float) -> int:
    """The next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    power = 10 ** (len(str(int(least))) - 1)
    return next(int(power * each) for each in (1, 2, 2.5, 5, 10) if power * each >= least)


def _scale(top: int) -> list[Line]:
    return [Line(_y(top * step // STEPS, top), top * step // STEPS) for step in range(STEPS + 1)]


def _lines(amounts: Sequence[int], top: int) -> list[Line]:
    return [Line(_y(each, top), each) for each in amounts]


def _labels(days: Sequence[Day]) -> list[Label]:
    every = -(-len(days) // LABELS_MAX) or 1
    width = _width(days)
    return [
        Label(_r(LEFT + (number + 0.5) * width), day.name[5:]) for number, day in enumerate(days) if number % every == 0
    ]


def _r(value: float) -> float:
    return round(value, 1)
