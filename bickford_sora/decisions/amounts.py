"""Amounts in words. Money is counted in whole millionths of a currency's unit, and is never rounded up to be shown."""

from decimal import Decimal

from ledger.spend import RENDERS, SECONDS

MICRO = 1_000_000
"""Millionths in one."""


def amount(number: int, unit: str) -> str:
    """A number in its unit: renders, seconds, or millionths of a currency."""
    return f"{number} {unit}" if unit in {RENDERS, SECONDS} else f"{units(number)} {unit}"


def units(micro: int) -> str:
    """An amount in whole units, with two digits behind the point; what is smaller is cut off."""
    return f"{micro // MICRO}.{micro % MICRO // 10_000:02d}"


def exact_units(micro: int) -> str:
    """An amount in whole units, with as many digits behind the point as it has."""
    return f"{Decimal(micro) / MICRO:f}"
