"""Asking a moderation server what it flags: `/v1/moderations` of any OpenAI-compatible one.

A server that does not answer in time, or not as it should, has not looked: the guardrail that relies on it then takes
the render for a violation.
"""

import base64
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from bickford_sora.decisions.rules.guardrails import GuardrailsEntry, ModerationsEntry, may_name
from bickford_sora.egress import Egress, EgressError

MODERATION_S = 6.0
"""Longest time that all questions about one render may take together, in seconds."""
ANSWER_BYTES_MAX = 256 * 1024
IMAGE = "faces"
"""The guardrail that is about the reference image, and not about words."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Image:
    """A reference image that was decoded."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Moderation:
    """Asks moderation servers. Safe to use from several threads."""

    egress: Egress
    environment: Mapping[str, str]
    """Where their keys are."""

    def look(self, guardrails: GuardrailsEntry, text: str, image: Image | None, *, tenant: str) -> dict[str, bool]:
        """By category, whether it was flagged. One that somebody was to look at, and did not, is missing.

        Nobody looks by a key that is not the tenant's whose guardrails they are.
        """
        ends_at = time.monotonic() + MODERATION_S
        flagged: dict[str, bool] = {}
        missing: set[str] = set()
        for detector, shown in _questions(guardrails, image):
            if detector.api_key_env is not None and not may_name(tenant, detector.api_key_env):
                log.warning("moderation_key_of_another_tenant", tenant=tenant)
                missing.update(detector.categories)
                continue
            found = self._asked(detector, text, shown, timeout_s=ends_at - time.monotonic())
            for category in detector.categories:
                if category in found:
                    flagged[category] = flagged.get(category, False) or found[category]
                else:
                    missing.add(category)
        return {category: was for category, was in flagged.items() if was or category not in missing}

    def asks(self, guardrails: GuardrailsEntry) -> bool:
        """Whether a server is asked about a request without an image."""
        return next(_questions(guardrails, None), None) is not None

    def _asked(
        self, detector: ModerationsEntry, text: str, image: Image | None, *, timeout_s: float
    ) -> dict[str, bool]:
        """What the server said; nothing when it did not answer as it should, or no time is left to ask."""
        if timeout_s <= 0:
            return {}
        headers = {"content-type": "application/json", **self._credential(detector)}
        body = orjson.dumps({"model": detector.model, "input": _input(text, image)})
        url = f"{detector.url.rstrip('/')}/moderations"
        try:
            answer = self.egress.ask(url, body, headers, bytes_max=ANSWER_BYTES_MAX, timeout_s=timeout_s)
            return _categories(orjson.loads(answer.content))
        except (EgressError, ValueError) as error:
            log.warning("moderation_failed", model=detector.model, error=type(error).__name__)
            return {}

    def _credential(self, detector: ModerationsEntry) -> dict[str, str]:
        secret = self.environment.get(detector.api_key_env) if detector.api_key_env else None
        return {"authorization": f"Bearer {secret}"} if secret else {}


def _questions(guardrails: GuardrailsEntry, image: Image | None) -> Iterator[tuple[ModerationsEntry, Image | None]]:
    """Who is to be asked, once each, and with which image."""
    asked = set()
    for name, entry in guardrails.enabled():
        detector = entry.detector
        if not isinstance(detector, ModerationsEntry) or (name == IMAGE and image is None):
            continue
        question = (detector, name == IMAGE)
        if question not in asked:
            asked.add(question)
            yield detector, image if name == IMAGE else None


def _input(text: str, image: Image | None) -> object:
    if image is None:
        return text
    data = base64.b64encode(image.content).decode()
    url = f"data:{image.media_type};base64,{data}"
    return [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]


def _categories(answer: Any) -> dict[str, bool]:
    """The categories of every result together. Raises ValueError for an answer of another form."""
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or not results:
        raise ValueError("not the answer of a moderation server")
    found: dict[str, bool] = {}
    for result in results:
        categories = result.get("categories") if isinstance(result, dict) else None
        if not isinstance(categories, dict):
            raise ValueError("not the answer of a moderation server")  # noqa: TRY004 - it is a wrong value
        for name, flagged in categories.items():
            if isinstance(flagged, bool):
                found[name] = found.get(name, False) or flagged
    return found
