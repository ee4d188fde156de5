"""The policy in force, tenant by tenant: published to the ledger, compiled once, followed by every process.

A process keeps what it read. That is never stale where it matters: each decision names the head of the policy's stream,
so one that was taken by a policy that was replaced meanwhile is refused by the ledger, and taken again by the new one.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from bickford_sora.confirming import decided_as
from bickford_sora.decisions.caller import Caller
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.policy import Policy
from bickford_sora.decisions.rules.evaluation import CompiledPolicy
from bickford_sora.decisions.rules.reading import PolicyInvalid, read_policy
from bickford_sora.errors import InvalidRequest, RoleMissing, TryLater
from bickford_sora.four_eyes import FourEyes
from bickford_sora.recording import Origin, Recording
from ledger import streams
from ledger.application import Ledger
from ledger.envelope import Event
from ledger.events import PolicyPublished


@dataclass(frozen=True, slots=True)
class Version:
    """One policy that was published."""

    version: int
    """From 1."""
    policy_hash: str
    text: str
    published_at: datetime
    published_by: str
    """Public id of the key it was published with."""


class Policies:
    """Publishes policies and knows the one in force. Safe to use from several threads.

    Every method raises ledger.errors.Unavailable when the database does not answer.
    """

    def __init__(
        self, recording: Recording, *, built_in: Policy, models: Callable[[], Collection[str]], four_eyes: FourEyes
    ) -> None:
        """`models` are those that can be asked for now: a policy that names another one cannot be published."""
        self._recording = recording
        self.built_in = built_in
        """What decides until a policy is published."""
        self._models = models
        self._four_eyes = four_eyes
        self._known: dict[str, Policy] = {}

    def known(self, tenant: str) -> Policy | None:
        """The policy as far as this process knows it without a look."""
        return self._known.get(tenant)

    def in_force(self, tenant: str) -> Policy:
        """The policy as this process knows it. Raises TryLater when it cannot be read here."""
        return self._known.get(tenant) or self.look_again(tenant)

    def look_again(self, tenant: str) -> Policy:
        """The policy as it now is. Raises TryLater as `in_force`."""
        known = self._known.get(tenant, self.built_in)
        news = self._recording.ledger.history(streams.policy(tenant), after=known.head)
        if news:
            newest = _version(news[-1])
            known = Policy(self._compiled(newest, known), newest.version)
        # Two threads may look at a time: what is older must not take the place of what is newer.
        if known.head >= self._known.get(tenant, self.built_in).head:
            self._known[tenant] = known
        return self._known[tenant]

    def publish(self, caller: Caller, content: bytes, origin: Origin) -> Version:
        """Puts a policy in force for the whole tenant, or finds that it is.

        Raises RoleMissing unless the caller is an admin of the whole tenant, InvalidRequest with every problem and its
        line, and Unauthorized when its key was revoked meanwhile.
        """
        _check_governs(caller)
        try:
            policy = read_policy(content, models=self._models(), tenant=caller.tenant)
        except PolicyInvalid as error:
            place = error.problems[0].place or "policy"
            raise InvalidRequest(f"The policy cannot be used. {error}.", code=error.code, param=place) from None
        stream = streams.policy(caller.tenant)
        fact = PolicyPublished(policy_hash=policy.hash, text=content.decode())

        def attempt(who: Caller) -> Version:
            before = self.newest(who.tenant)
            if before is not None and before.policy_hash == policy.hash:
                return before
            head = before.version if before else 0
            agreed = self._four_eyes.cleared(
                who, "policy", "policy", policy.hash, f"publish the policy {policy.hash}", origin=origin
            )
            draft = Draft(((stream, fact),), {**who.heads, stream: head}).together_with(agreed)
            self._recording.append(draft, origin)
            self.look_again(who.tenant)
            return _version(self._recording.ledger.history(stream, after=head, until=head + 1)[0])

        return decided_as(
            caller, self._recording, attempt, when_busy="Other policies are being published. Send it again."
        )

    def newest(self, tenant: str) -> Version | None:
        """What was published last, None before anything was."""
        versions = self.versions(tenant)
        return versions[-1] if versions else None

    def versions(self, tenant: str) -> list[Version]:
        """Everything that was published, oldest first."""
        return versions(self._recording.ledger, tenant)

    @staticmethod
    def _compiled(newest: Version, known: Policy) -> CompiledPolicy:
        if newest.policy_hash == known.compiled.hash:
            return known.compiled
        try:
            # Which models are offered is asked when it is published: what is in force stays so.
            return read_policy(newest.text.encode())
        except PolicyInvalid as error:
            raise TryLater(
                f"This server cannot read the policy in force: {error}. An operator has to look at it.",
                code="policy_unreadable",
            ) from None


def versions(ledger: Ledger, tenant: str) -> list[Version]:
    """Every policy that was published, oldest first."""
    return [_version(event) for event in ledger.history(streams.policy(tenant))]


def find_compiled(ledger: Ledger, tenant: str, policy_hash: str, built_in: CompiledPolicy) -> CompiledPolicy | None:
    """The policy of this hash, None when it was never in force. Raises PolicyInvalid when it cannot be read here."""
    if policy_hash == built_in.hash:
        return built_in
    text = next((each.text for each in versions(ledger, tenant) if each.policy_hash == policy_hash), None)
    return None if text is None else read_policy(text.encode())


def _check_governs(caller: Caller) -> None:
    caller.check("admin")
    if not caller.everywhere:
        raise RoleMissing(
            "The policy is the whole tenant's: this takes an admin's API key that spans the tenant.",
            code="role_missing",
        )


def _version(event: Event) -> Version:
    fact = event.fact
    assert isinstance(fact, PolicyPublished), event.stream  # noqa: S101 - the stream holds nothing else
    context = event.context
    return Version(event.version, fact.policy_hash, fact.text, context.occurred_at, context.actor)
