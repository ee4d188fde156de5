import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from bickford_sora.telemetry import REDACTED, Redaction, configure_logging, trace_id
from tests.logs import log_plainly


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.contextvars.clear_contextvars()
    log_plainly()
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_with_what_is_bound_to_the_request() -> None:
    stream = io.StringIO()
    configure_logging(level="info", stream=stream)
    structlog.contextvars.bind_contextvars(request_id="req_1", video_id="video_1")
    structlog.get_logger("here").info("stored", bytes=3)
    (line,) = logged(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "stored",
        "bytes": 3,
        "level": "info",
        "logger": "here",
        "request_id": "req_1",
        "video_id": "video_1",
    }


def test_a_terminal_gets_a_readable_form_unless_json_is_asked_for() -> None:
    readable, asked = Terminal(), Terminal()
    configure_logging(stream=readable)
    structlog.get_logger().info("stored")
    configure_logging(json=True, stream=asked)
    structlog.get_logger().info("stored")
    assert not readable.getvalue().startswith("{")
    assert logged(asked)[0]["event"] == "stored"


def test_the_standard_library_and_uvicorn_go_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    logging.getLogger("uvicorn.error").warning("Invalid %s request", "HTTP")
    logging.getLogger("httpx").info("chatter")
    (line,) = logged(stream)
    assert (line["event"], line["level"], line["logger"]) == ("Invalid HTTP request", "warning", "uvicorn.error")


def test_levels_are_kept_and_an_unknown_one_is_refused() -> None:
    stream = io.StringIO()
    configure_logging(level="WARNING", stream=stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert stream.getvalue() == ""
    with pytest.raises(ValueError, match="loud"):
        configure_logging(level="loud", stream=stream)


def test_secrets_are_redacted_by_name_by_type_and_by_value() -> None:
    stream = io.StringIO()
    redaction = configure_logging(stream=stream)
    redaction.register("bk_live_registered")
    redaction.register("short")
    structlog.get_logger().info(
        "called with bk_live_registered",
        Authorization="Bearer x",
        api_key="x",
        webhook_secret="x",
        prompt="A calm sea",
        access_token=["x"],
        headers={"x-api-key": "x", "accept": "*/*", "note": "bk_live_registered"},
        wrapped=SecretStr("x"),
        listed=[SecretStr("x"), b"bk_live_registered", "short"],
        key_id="key_1",
    )
    (line,) = logged(stream)
    assert line["event"] == f"called with {REDACTED}"
    for name in ("Authorization", "api_key", "webhook_secret", "prompt", "access_token", "wrapped"):
        assert line[name] == REDACTED
    assert line["headers"] == {"x-api-key": REDACTED, "accept": "*/*", "note": REDACTED}
    assert line["listed"] == [REDACTED, REDACTED, "short"]
    assert line["key_id"] == "key_1"


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_secret_and_no_local_variable(json_lines: bool) -> None:
    stream = io.StringIO()
    configure_logging(json=json_lines, redaction=Redaction(["hunter2-hunter2"]), stream=stream)

    def fail(text: str) -> None:
        local = text.upper()
        raise ValueError(f"bad {len(local)} hunter2-hunter2")

    try:
        fail("nobody's business".replace("'", ""))
    except ValueError:
        structlog.get_logger().exception("request_failed")
        logging.getLogger("elsewhere").exception("it failed")
    written = stream.getvalue()
    assert "ValueError" in written
    assert "hunter2" not in written
    assert "nobodys business" not in written.lower()


@pytest.mark.parametrize(
    "value", ["\ud800", 2**80, object(), {1: 2}, float("nan")], ids=["surrogate", "large", "object", "keys", "nan"]
)
def test_no_value_costs_us_the_line(value: object) -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().info("odd", value=value)
    assert logged(stream)[0]["event"] == "odd"


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("header", [f"00-{TRACE}-00f067aa0ba902b7-01", f"cc-{TRACE}-00f067aa0ba902b7-01-later"])
def test_a_traceparent_gives_its_trace_id(header: str) -> None:
    assert trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        TRACE,
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE}-00f067aa0ba902b7",
        f"00-{TRACE}\n-00f067aa0ba902b7-01",
    ],
)
def test_an_invalid_traceparent_is_ignored(header: str | None) -> None:
    assert trace_id(header) is None
