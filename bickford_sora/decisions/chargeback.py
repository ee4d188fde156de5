"""What spend is told as: a forecast to the end of the month, and charges in the columns of FOCUS. Pure.

FOCUS is the FinOps Open Cost and Usage Specification, version 1.2; columns of our own begin with `x_`.
"""

import calendar
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from bickford_sora.decisions.amounts import exact_units
from ledger.spend import MONTH_CHARS
from projections.spend import Charge, Total

SOLD_BY = "Bickford Sora"
HOURS_OF_DAY = 24

FOCUS_COLUMNS: tuple[str, ...] = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "EffectiveCost",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SubAccountId",
    "Tags",
    "x_KeyId",
    "x_LedgerPosition",
    "x_Purpose",
    "x_Requester",
)


def forecast_micro(totals: Sequence[Total], now: datetime) -> Mapping[str, int]:
    """What a month will have cost, by currency, if it goes on as it went so far. `totals` are the month's.

    `now` is in the tenant's time zone. Corrections are counted and not continued.
    """
    days = calendar.monthrange(now.year, now.month)[1]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = Decimal(now.day - 1) + Decimal((now - midnight).total_seconds()) / Decimal(24 * 3600)
    expected: dict[str, int] = {}
    for total in totals:
        if total.currency is None:
            continue
        used = Decimal(total.settled_micro + total.open_micro)
        whole = int(used * days / passed) if passed else int(used)
        expected[total.currency] = expected.get(total.currency, 0) + whole + total.adjusted_micro
    return expected


def focus_row(charge: Charge, *, tenant: str) -> Iterator[str]:
    """A charge in the order of `FOCUS_COLUMNS`. Days are those of the tenant's time zone."""
    day = date.fromisoformat(charge.day)
    month = day.replace(day=1)
    cost = exact_units(charge.amount_micro)
    columns: dict[str, object] = {
        "BilledCost": cost,
        "BillingAccountId": tenant,
        "BillingCurrency": charge.currency,
        "BillingPeriodStart": month,
        "BillingPeriodEnd": _next_month(month),
        "ChargeCategory": "Usage" if charge.kind == "settled" else "Adjustment",
        "ChargeDescription": "Video render" if charge.kind == "settled" else "Correction of a render's cost",
        "ChargeFrequency": "Usage-Based" if charge.kind == "settled" else "One-Time",
        "ChargePeriodStart": day,
        "ChargePeriodEnd": day + timedelta(days=1),
        "ConsumedQuantity": charge.seconds if charge.kind == "settled" else None,
        "ConsumedUnit": "Seconds" if charge.kind == "settled" else None,
        "EffectiveCost": cost,
        "ProviderName": SOLD_BY,
        "PublisherName": charge.renderer,
        "ResourceId": charge.video_id,
        "ResourceType": "Video",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Videos API",
        "SkuId": charge.model,
        "SubAccountId": charge.project,
        "Tags": json.dumps(dict.fromkeys(charge.tags, ""), ensure_ascii=False),
        "x_KeyId": charge.key_id,
        "x_LedgerPosition": charge.position,
        "x_Purpose": charge.purpose,
        "x_Requester": charge.requester,
    }
    yield from ("" if columns[name] is None else str(columns[name]) for name in FOCUS_COLUMNS)


def month_of(day: str) -> str:
    """The month a day is in."""
    return day[:MONTH_CHARS]


def days_of(month: str) -> tuple[str, str]:
    """The first and the last day of a month such as `2026-11`. Raises ValueError for what is none."""
    first = date.fromisoformat(f"{month}-01")
    return first.isoformat(), (_next_month(first) - timedelta(days=1)).isoformat()


def _next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)
