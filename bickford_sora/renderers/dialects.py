"""Every dialect by its name, and how a renderer is opened in one."""

import ssl
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pydantic import SecretStr

from bickford_sora.renderers import azure, fastvideo, litellm, openai, openrouter, sglang, trtllm, vllm_omni
from bickford_sora.renderers.dialect import Dialect
from bickford_sora.renderers.port import Capabilities
from bickford_sora.renderers.renderer import HttpRenderer
from bickford_sora.renderers.transport import Observe, Traced, Transport, TransportLimits
from ledger.clock import Clock

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        each.DIALECT.name: each.DIALECT
        for each in (openai, vllm_omni, sglang, litellm, azure, fastvideo, trtllm, openrouter)
    }
)
"""The supported ones first, then the experimental ones."""


def capabilities_of(dialect: str, fields: frozenset[str] | None = None) -> Capabilities:
    """What a dialect can do with the fields beyond the protocol that are configured; None: all it always has.

    Raises:
        ValueError: a field that this dialect never understands.
    """
    known = DIALECTS[dialect]
    if fields is None:
        return known.capabilities
    unknown = fields - known.capabilities.fields - known.extra_fields
    if unknown:
        raise ValueError(f"the dialect {dialect!r} has no field {', '.join(map(repr, sorted(unknown)))}")
    return replace(known.capabilities, fields=fields)


def open_transport(
    dialect: str,
    base_url: str,
    credential: SecretStr | None,
    *,
    limits: TransportLimits | None = None,
    tls: ssl.SSLContext | None = None,
    observe: Observe | None = None,
    traced: Traced | None = None,
) -> Transport:
    """A transport that sends the credential as servers of this dialect want it."""
    return Transport(
        base_url,
        credential,
        limits=limits,
        tls=tls,
        key_header=DIALECTS[dialect].key_header,
        observe=observe,
        traced=traced,
    )


def open_renderer(
    dialect: str,
    *,
    name: str,
    credential: str,
    transport: Transport,
    clock: Clock,
    fields: frozenset[str] | None = None,
    keeps_idempotency_keys: bool = False,
    absence_proves: bool = True,
    submit_timeout_s: float = 60.0,
    pages_max: int = 1_000,
    reference_bytes_max: int = 20 * 1024 * 1024,
    source_bytes_max: int = 512 * 1024 * 1024,
) -> HttpRenderer:
    """A renderer that speaks `dialect`; the other arguments are those of `HttpRenderer` and `capabilities_of`.

    Whether it keeps idempotency keys is its configuration's word: none of the servers that the dialects were written
    against does.
    """
    can = capabilities_of(dialect, fields)
    return HttpRenderer(
        DIALECTS[dialect],
        name=name,
        credential=credential,
        transport=transport,
        clock=clock,
        capabilities=replace(can, keeps_idempotency_keys=can.keeps_idempotency_keys or keeps_idempotency_keys),
        absence_proves=absence_proves,
        submit_timeout_s=submit_timeout_s,
        pages_max=pages_max,
        reference_bytes_max=reference_bytes_max,
        source_bytes_max=source_bytes_max,
    )
