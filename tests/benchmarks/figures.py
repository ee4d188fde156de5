"""Figures as benchmarks tell them."""

DIGITS = 4
"""Significant digits of a ratio."""


def ratio(measured: float, baseline: float) -> float:
    """How many times the baseline. To significant digits: no ratio becomes 0 by rounding, however small."""
    return float(f"{measured / baseline:.{DIGITS}g}")
