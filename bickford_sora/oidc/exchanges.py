"""How often one sign-in has the issuer asked for its token: as often as a browser may need, and no more."""

import threading
from collections import OrderedDict

from bickford_sora.oidc.errors import refused

EXCHANGES_PER_LOGIN_MAX = 3
"""Codes that one sign-in exchanges. A browser whose answer was lost asks again; who asks more often tries out codes."""
LOGINS_MAX = 10_000
"""Sign-ins that are counted for; those that asked longest ago are forgotten first."""


class Exchanges:
    """Counts, for one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[str, int] = OrderedDict()

    def count(self, login_id: str) -> None:
        """One more of this sign-in. Raises SignInRefused when it had all that it may have."""
        with self._lock:
            made = self._made.get(login_id, 0)
            if made >= EXCHANGES_PER_LOGIN_MAX:
                raise refused("login_spent")
            self._made[login_id] = made + 1
            self._made.move_to_end(login_id)
            while len(self._made) > LOGINS_MAX:
                self._made.popitem(last=False)
