"""How long each step may take before the check calls it stuck."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits in seconds. They are longer than what the product gives itself: it is to be done before it is found."""

    step_s: float = 900.0
    """For what is due at once, and on top of every deadline: a database or crew may be away for a while."""
    render_s: float = 6 * 3600.0
    """From a request to the end of its render; what waits for an approver or an open submission is not counted."""
    store_s: float = 3600.0
    """From a completed job to its files in our storage: so long renderers keep them."""
    reconcile_s: float = 30.0
    """Behind a submission's deadline, until its outcome is looked for."""
    delivery_s: float = 72 * 3600.0
    """From when a webhook to an endpoint is scheduled to its end."""
