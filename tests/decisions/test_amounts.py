import pytest

from bickford_sora.decisions.amounts import amount, exact_units


@pytest.mark.parametrize(
    ("number", "unit", "told"),
    [
        (1_999_999, "USD", "1.99 USD"),  # what is left is never told to be more than it is
        (50_000_000, "EUR", "50.00 EUR"),
        (9_999, "USD", "0.00 USD"),
        (3, "renders", "3 renders"),
        (12, "seconds", "12 seconds"),
    ],
)
def test_an_amount_is_cut_off_and_not_rounded(number: int, unit: str, told: str) -> None:
    assert amount(number, unit) == told


def test_an_exact_amount_has_every_digit() -> None:
    assert [exact_units(each) for each in (1, -400_000, 50_000_000)] == ["0.000001", "-0.4", "50"]
