"""Which facts are about one video: its own, and those in other streams that name it."""

from ledger import streams
from projections.audit import AUDIT_EVENTS_MAX, Audit, Filters

FACTS_MAX = 100_000
"""Most facts about one video that are gathered."""


def positions_about(audit: Audit, tenant: str, video_id: str) -> list[int]:
    """Their positions in order; empty when the tenant has no such video. The audit read model has to be current."""
    if not streams.is_video_id(video_id):
        return []
    found: list[int] = []
    while len(found) < FACTS_MAX:
        after = found[-1] if found else 0
        page = audit.events(tenant, Filters(video_id=video_id), after=after, limit=AUDIT_EVENTS_MAX)
        found += [each.position for each in page]
        if len(page) < AUDIT_EVENTS_MAX:
            break
    return found
