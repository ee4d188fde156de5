"""Drafts and finals: what a purpose chooses where the request does not, how often it may render; how far remixes go."""

from collections.abc import Iterator

from bickford_sora.decisions.declared import Purpose
from bickford_sora.decisions.rules.checks import Check
from bickford_sora.decisions.rules.entries import Count, Entry, Label, Size
from bickford_sora.decisions.rules.seen import Seen


class PurposeEntry(Entry):
    """What a render of this purpose is where the request does not say."""

    model: Label | None = None
    size: Size | None = None
    seconds: Count | None = None
    renders_per_hour_max: Count | None = None
    """Of each lineage, in any 60 minutes."""
    interval_s_min: Count | None = None
    """Between two renders of a lineage."""


class PurposesEntry(Entry):
    """Both purposes."""

    draft: PurposeEntry = PurposeEntry()
    final: PurposeEntry = PurposeEntry()

    def of(self, purpose: Purpose | None) -> PurposeEntry:
        """What is chosen for a purpose; nothing without one."""
        if purpose is None:
            return PurposeEntry()
        return self.draft if purpose == "draft" else self.final


class RemixesEntry(Entry):
    """How far remixes go."""

    depth_max: Count | None = None
    changes_max: Count | None = None
    """Most of prompt, model, seconds, size and fields that may differ from the source; 1 is one step at a time."""


def cadence_checks(purposes: PurposesEntry) -> Iterator[Check]:
    """The limits on how often a purpose renders."""
    yield from _cadence("draft", purposes.draft)
    yield from _cadence("final", purposes.final)


def remix_checks(remixes: RemixesEntry) -> Iterator[Check]:
    """The limits of remixes."""
    if (deepest := remixes.depth_max) is not None:
        yield Check(
            id="remixes.depth_max",
            effect="deny",
            message=f"Rule remixes.depth_max allows {deepest} remixes in a row. Begin anew with a create.",
            matches=lambda seen: seen.operation == "remix" and seen.remix_depth > deepest,
        )
    if (most := remixes.changes_max) is not None:
        yield Check(
            id="remixes.changes_max",
            effect="deny",
            message=f"Rule remixes.changes_max allows {most} changes in one remix. Change less at a time.",
            matches=lambda seen: seen.operation == "remix" and seen.changes > most,
        )


def _cadence(purpose: Purpose, entry: PurposeEntry) -> Iterator[Check]:
    place = f"purposes.{purpose}"
    if (most := entry.renders_per_hour_max) is not None:
        yield Check(
            id=f"{place}.renders_per_hour_max",
            effect="deny",
            message=f"Rule {place}.renders_per_hour_max allows {most} in an hour from one lineage. Try again later.",
            matches=lambda seen: seen.purpose == purpose and seen.renders_in_last_hour >= most,
        )
    if (shortest := entry.interval_s_min) is not None:

        def too_soon(seen: Seen) -> bool:
            since = seen.seconds_since_last_render
            return seen.purpose == purpose and since is not None and since < shortest

        yield Check(
            id=f"{place}.interval_s_min",
            effect="deny",
            message=f"Rule {place}.interval_s_min wants {shortest} seconds between two renders of a lineage. Wait.",
            matches=too_soon,
        )
