"""Faults on demand: what goes wrong, for whom and how often."""

import random
import threading
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FAULTS_MAX = 1_000


class Operation(StrEnum):
    """The calls a client can make."""

    CREATE = "create"
    REMIX = "remix"
    EDIT = "edit"
    EXTEND = "extend"
    CHARACTER = "character"
    RETRIEVE = "retrieve"
    LIST = "list"
    DELETE = "delete"
    CONTENT = "content"


class FaultKind(StrEnum):
    """What can go wrong. In "accepting" kinds the job exists and is billed although the client cannot know it."""

    CREATE_STATUS = "create_status"
    """create or remix is refused with `status`; nothing is accepted"""
    READ_STATUS = "read_status"
    """any other call is refused with `status`"""
    LATENCY = "latency"
    """the call waits `delay_s` before it is handled"""
    LATENCY_AFTER_ACCEPT = "latency_after_accept"
    """create or remix is accepted at once and answered `delay_s` later: its webhook may come first"""
    RESET_BEFORE_ACCEPT = "reset_before_accept"
    """the connection is reset and nothing has happened"""
    RESET_AFTER_ACCEPT = "reset_after_accept"
    """the job is accepted, then the connection is reset"""
    NONSENSE_JSON = "nonsense_json"
    """the call is handled and answered 200 with a body that is no JSON"""
    JOB_FAILS = "job_fails"
    """the accepted job ends as failed with `code` and `message`"""
    WEBHOOK_LOST = "webhook_lost"
    WEBHOOK_DUPLICATED = "webhook_duplicated"
    """delivered twice with the same webhook-id"""
    WEBHOOK_DELAYED = "webhook_delayed"
    """delivered `delay_s` late"""
    WEBHOOK_REORDERED = "webhook_reordered"
    """held until the next webhook has gone out, at most `delay_s`"""
    WEBHOOK_WRONGLY_SIGNED = "webhook_wrongly_signed"
    """signed with a key nobody was given, on every attempt"""
    ASSET_EXPIRED = "asset_expired"
    """content is gone although the job is completed (404, or `status`)"""
    DOWNLOAD_TRUNCATED = "download_truncated"
    """half of the promised Content-Length is sent, then the connection closes"""
    RESTART = "restart"
    """the simulator forgets every job, then handles the call"""


_ACCEPTING = frozenset({Operation.CREATE, Operation.REMIX})
_READING = frozenset(Operation) - _ACCEPTING
_CONTENT = frozenset({Operation.CONTENT})

OPERATIONS: dict[FaultKind, frozenset[Operation]] = {
    FaultKind.CREATE_STATUS: _ACCEPTING,
    FaultKind.READ_STATUS: _READING,
    FaultKind.LATENCY: frozenset(Operation),
    FaultKind.LATENCY_AFTER_ACCEPT: _ACCEPTING,
    FaultKind.RESET_BEFORE_ACCEPT: frozenset(Operation),
    FaultKind.RESET_AFTER_ACCEPT: _ACCEPTING,
    FaultKind.NONSENSE_JSON: frozenset(Operation),
    FaultKind.JOB_FAILS: _ACCEPTING,
    FaultKind.WEBHOOK_LOST: _ACCEPTING,
    FaultKind.WEBHOOK_DUPLICATED: _ACCEPTING,
    FaultKind.WEBHOOK_DELAYED: _ACCEPTING,
    FaultKind.WEBHOOK_REORDERED: _ACCEPTING,
    FaultKind.WEBHOOK_WRONGLY_SIGNED: _ACCEPTING,
    FaultKind.ASSET_EXPIRED: _CONTENT,
    FaultKind.DOWNLOAD_TRUNCATED: _CONTENT,
    FaultKind.RESTART: frozenset(Operation),
}
"""The calls each kind can strike. Kinds that strike a job or its webhook name the call that made the job."""


class Fault(BaseModel):
    """One thing that goes wrong.

    It strikes the next `times` matching occasions (None: every one until removed), each with `probability`.
    An occasion matches when the operation is `operation` (None: every one the kind can strike) and the
    prompt of the request or its job contains `marker` (None: any).

    Raises:
        ValueError: where the kind cannot strike that operation, or `status` is no error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    times: int | None = Field(default=1, ge=1)
    probability: float = Field(default=1.0, gt=0, le=1)
    marker: str | None = Field(default=None, min_length=1)
    operation: Operation | None = None
    status: int | None = Field(default=None, ge=400, le=599)
    retry_after_s: int | None = Field(default=None, ge=0)
    delay_s: float = Field(default=1.0, ge=0)
    until_told: bool = False
    """Of `latency_after_accept`: the answer waits for the job's webhook and no longer, at most `delay_s`."""
    code: str = "moderation_blocked"
    message: str = "Your request was blocked by our moderation system."

    @model_validator(mode="after")
    def _can_strike(self) -> Self:
        if self.operation is not None and self.operation not in OPERATIONS[self.kind]:
            raise ValueError(f"{self.kind} cannot strike {self.operation}")
        if self.kind in {FaultKind.CREATE_STATUS, FaultKind.READ_STATUS} and self.status is None:
            raise ValueError(f"{self.kind} needs a status")
        return self

    def matches(self, kind: FaultKind, operation: Operation, prompt: str) -> bool:
        """Whether this occasion is one the fault is meant for, chance aside."""
        return (
            self.kind is kind
            and operation in OPERATIONS[kind]
            and self.operation in {None, operation}
            and (self.marker is None or self.marker in prompt)
        )


class FaultPlan:
    """The faults still to strike, oldest first. Safe to use from any thread."""

    def __init__(self, *, seed: int) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(seed)  # nosec B311  # noqa: S311 - repeatable chance, no secret
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Plan one more fault.

        Raises:
            ValueError: when 1,000 are already waiting.
        """
        with self._lock:
            if len(self._waiting) >= FAULTS_MAX:
                raise ValueError(f"{FAULTS_MAX} faults are waiting already")
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault still to strike."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """The faults still to strike, with the `times` they have left."""
        with self._lock:
            return list(self._waiting)

    def take(self, kind: FaultKind, operation: Operation, prompt: str = "") -> Fault | None:
        """The fault that strikes this occasion, counted as struck; None where all goes well."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if fault.matches(kind, operation, prompt) and self._chance.random() < fault.probability:
                    self._count_down(place, fault)
                    return fault
        return None

    def _count_down(self, place: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._waiting[place]
        elif fault.times is not None:
            self._waiting[place] = fault.model_copy(update={"times": fault.times - 1})
