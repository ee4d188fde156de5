"""Invoices as vendors send them: read wholly or not at all, each wrong line by its number."""

import pytest

from bickford_sora.decisions import invoices
from bickford_sora.decisions.invoices import InvoiceLine, read_invoice
from bickford_sora.errors import InvalidRequest

HEADER = "job_id,amount,currency"


def refused(text: str) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        read_invoice(text)
    assert (refusal.value.code, refusal.value.param) == ("invoice_invalid", "invoice")
    return refusal.value.message


@pytest.mark.parametrize(
    "text",
    [
        "job_id,amount,currency,date,invoice\njob_1,0.40,USD,2026-11-20,R-7\n",
        "Invoice Number;Date;Currency;Amount;Job ID;Remark\nR-7;2026-11-20;usd;0,40;job_1;;\n",
        '\ufeffnote,VIDEO-ID,job_id,amount,currency,date,invoice\r\n"a, b",,job_1, 0.4 ,USD,2026-11-20T09:00Z,R-7\r\n',
        "ResourceId,BilledCost,BillingCurrency,ChargePeriodStart,InvoiceId,SkuId\njob_1,0.400000,USD,2026-11-20,R-7,x\n",
    ],
    ids=["plain", "semicolons and decimal commas", "quotes, blanks and a mark", "FOCUS"],
)
def test_columns_are_found_by_their_names(text: str) -> None:
    assert read_invoice(text) == [InvoiceLine(2, "job_1", 400_000, "USD", "2026-11-20", "R-7")]


def test_empty_lines_are_none_and_an_amount_may_be_given_back() -> None:
    lines = read_invoice(f"{HEADER}\n\njob_1,-0.000001,EUR\n , ,\njob_2,0,USD")
    assert [(each.number, each.amount_micro, each.currency) for each in lines] == [(3, -1, "EUR"), (5, 0, "USD")]
    assert lines[0].day is lines[0].invoice is None


def test_every_wrong_line_is_named_and_nothing_is_read() -> None:
    wrong = [",1,USD,", "job,one,USD,", "job,1,DOLLARS,", "job,0.0000001,USD,", "job,1,USD,11/20/26", "job,NaN,USD,"]
    said = refused("\n".join([f"{HEADER},date", "job_1,1,USD,", *wrong, "job,99999999999999,USD,"]))
    assert said.replace(" Line", "\nLine").splitlines() == [
        "Line 3: it names no job.",
        "Line 4: an amount is a number such as 0.40.",
        "Line 5: a currency is three letters, such as USD.",
        "Line 6: an amount has at most six decimals.",
        "Line 7: a date is written as 2026-11-20.",
        "Line 8: an amount is a number such as 0.40.",
        "Line 9: the amount is too large. Nothing was compared.",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Line 1: no column is named 'job_id'"),
        ("job_id,amount\n", "'currency'"),
        (f"{HEADER},job_id\n", "Line 1: two columns are named 'job_id'."),
        (f'{HEADER}\n"job_1,1,USD\n', "Line 2: unexpected end of data."),
        (f"{HEADER}\n{'j' * 257},1,USD\n", "at most 256 characters"),
        (f"{HEADER}\njob_1,Infinity,USD\n", "an amount is a number"),
        (f"{HEADER}\njob_1,1e400,USD\n", "Line 2"),
        ("job_id;amount;currency\njob_1;1.234,50;EUR\n", "an amount is a number"),
        (f"{HEADER}\njob_1,1,ÜSD\n", "three letters"),
    ],
)
def test_what_is_no_invoice_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


def test_a_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoices, "INVOICE_LINES_MAX", 3)
    line = "job_1,1,USD\n"
    assert len(read_invoice(f"{HEADER}\n{line * 3}")) == 3
    assert "more than 3 lines" in refused(f"{HEADER}\n{line * 4}")
    monkeypatch.setattr(invoices, "INVOICE_BYTES_MAX", 30)
    assert "more than 30 bytes" in refused(f"{HEADER}\n{line * 3}")


def test_many_wrong_lines_are_counted() -> None:
    assert "And 5 more." in refused(HEADER + "\n" + ",1,USD\n" * 25)
