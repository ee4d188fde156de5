"""Taking several through the same steps side by side, where what happens to one is nothing to the others.

What failed on the way is an exception in its place, and takes no further step.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, TypeVar

Params = ParamSpec("Params")
Item = TypeVar("Item")
Result = TypeVar("Result")


def attempt(step: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs) -> Result | Exception:
    """What the step returns, or raises."""
    try:
        return step(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - it is raised where that one of them waits
        return error


def alone(step: Callable[[Item], Result], items: Iterable[Item | Exception]) -> list[Result | Exception]:
    """A step that each takes for itself."""
    return [item if isinstance(item, Exception) else attempt(step, item) for item in items]


def together(
    step: Callable[[Sequence[Item]], Sequence[Result | Exception]], items: Sequence[Item | Exception]
) -> list[Result | Exception]:
    """A step that all take at once. Raises what it raises for all of them."""
    going = [item for item in items if not isinstance(item, Exception)]
    results = iter(step(going) if going else ())
    return [item if isinstance(item, Exception) else next(results) for item in items]


def result(outcome: Result | Exception) -> Result:
    """The one outcome of a single one. Raises what kept it."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
