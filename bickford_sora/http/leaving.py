"""Whether a client is still there."""

from starlette.types import Receive


def has_left(receive: Receive) -> bool:
    """Whether the client of a request whose body was read is gone.

    What the server knows by now is taken, and nothing waited for. The framework's own look makes a scope of
    cancellation for it, which takes many times as long (measured: 319 us beside 17).
    """
    look = receive().__await__()
    try:
        next(look)
    except StopIteration as told:
        return bool(told.value["type"] == "http.disconnect")
    else:
        return False
    finally:
        look.close()
