"""Logs: structlog and the standard library through one handler, one line each, without secrets.

JSON lines for machines, a readable form on a terminal. Every line carries what is bound for the request
(`request_id`, `video_id`, `trace_id`).
"""

import json as standard_json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import orjson
import structlog
from pydantic import SecretStr
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
SECRET_CHARS_MIN = 8
"""Shorter secrets are not looked for in texts: they would be found everywhere."""

_SENSITIVE = re.compile(r"authorization|api[_-]?key|secret|password|prompt|token", re.IGNORECASE)
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
_CHATTY = ("httpx", "httpcore", "python_multipart", "multipart")


class Redaction:
    """Takes secrets out of log events: by the key's name, by type, and by their value wherever it occurs."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        for secret in secrets:
            self.register(secret)

    def register(self, secret: str) -> None:
        """From now on this value is replaced in every string that is logged. Too short ones are not."""
        if len(secret) >= SECRET_CHARS_MIN:
            self._secrets = tuple(sorted({*self._secrets, secret}, key=len, reverse=True))

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Redacts one event: a structlog processor."""
        return {key: self._redacted(key, value) for key, value in event.items()}

    def _redacted(self, key: str, value: Any) -> Any:
        if _SENSITIVE.search(key) and not key.startswith("_"):
            return REDACTED
        return self._cleaned(value)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, SecretStr):
            return REDACTED
        if isinstance(value, str):
            return self._without_secrets(value)
        if isinstance(value, bytes):
            return self._without_secrets(value.decode("utf-8", "backslashreplace"))
        if isinstance(value, Mapping):
            return {inner: self._redacted(str(inner), each) for inner, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._cleaned(each) for each in value]
        return value

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def configure_logging(
    json: bool | None = None, level: str = "info", *, redaction: Redaction | None = None, stream: TextIO | None = None
) -> Redaction:
    """Sends everything that is logged to `stream` (standard error), and returns the redaction to register secrets with.

    `json` None: JSON lines unless the stream is a terminal. Raises ValueError for an unknown level.
    """
    redaction = redaction or Redaction()
    target = stream or sys.stderr
    threshold = log_threshold(level)
    as_json = not target.isatty() if json is None else json
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(redaction, as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    _quieten(threshold)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return redaction


def trace_id(traceparent: str | None) -> str | None:
    """The trace id of a W3C `traceparent` header (Trace Context level 1, section 3.2); None for an invalid one."""
    match = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    if match is None or match["version"] == "ff" or set(match["trace"]) == {"0"} or set(match["parent"]) == {"0"}:
        return None
    if match["version"] == "00" and match[4] is not None:
        return None
    return match["trace"]


def log_threshold(level: str) -> int:
    """The number of a log level. Raises ValueError for an unknown one."""
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"no such log level: {level!r}")
    return threshold


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(redaction: Redaction, *, as_json: bool) -> logging.Formatter:
    # A plain traceback: a pretty one shows the values of local variables, and those may be prompts and keys.
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_serialized)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.PositionalArgumentsFormatter()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redaction,
            renderer,
        ],
    )


def _serialized(event: EventDict, **_options: Any) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # what orjson cannot hold, such as half a surrogate pair, must not cost us the line
        return standard_json.dumps(event, default=repr, skipkeys=True)


def _quieten(threshold: int) -> None:
    """Lets the loggers of uvicorn reach the root's handler; they and those that tell every step only warn."""
    servers = ("uvicorn", "uvicorn.error", "uvicorn.access")
    for name in servers:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in (*servers, *_CHATTY):
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
