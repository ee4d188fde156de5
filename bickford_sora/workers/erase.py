"""Carrying out erasures to their end, whoever decided them, and whoever died over them."""

from dataclasses import dataclass
from datetime import datetime

from bickford_sora.erasures import Erasures
from bickford_sora.workers.workshop import Task, Workshop

WAIT_S = 60.0
"""How long what is left of an erasure is let be, in seconds."""


@dataclass(frozen=True, slots=True)
class Erase:
    """Erases what was decided to be."""

    shop: Workshop
    erasures: Erasures

    def __call__(self, task: Task) -> datetime:
        """Destroys the key and records it; the same function as whoever asked has run, from its first step."""
        return self.shop.again() if self.erasures.carry_out(task.stream) else self.shop.after(WAIT_S)
