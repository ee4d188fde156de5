"""Azure OpenAI's v1 API. Experimental: written against its documentation (videos-api.md section 3), never run.

`base_url` ends in `/openai/v1`, `model` is the name of a deployment, and the key goes in `api-key`. What its list shows
is not verified, so nothing is recognised by it and a job missing in it proves nothing. Edits, extensions and characters
are not documented.
"""

from dataclasses import replace

from bickford_sora.renderers import openai
from bickford_sora.renderers.dialect import Dialect

CAPABILITIES = replace(
    openai.CAPABILITIES,
    edits=False,
    extensions=False,
    characters=False,
    calls_back=False,
    recognisable=frozenset(),
)

DIALECT = Dialect(
    name="azure",
    experimental=True,
    capabilities=CAPABILITIES,
    request=openai.request,
    content_params=openai.content_params,
    key_header="api-key",
    absence_proves=False,
)
