"""One request is one request, whichever way it is sent."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bickford_sora.decisions.request import ParsedRequest, create_request, edit_request, extension_request
from bickford_sora.http.forms import parse
from bickford_sora.idempotency import Idempotency
from ledger.application import Ledger
from ledger.keys import Keys, MemoryKeyStore
from ledger.memory import MemoryRecorder
from tests.http.houses import Kit, SettableClock, catalogue, make_kit, offer, png
from tests.http.ways import multipart, ways
from tests.trying import tries

READERS = {"create": create_request, "edit": edit_request, "extend": extension_request}
IDEMPOTENCY = Idempotency(Ledger(MemoryRecorder(SettableClock())), Keys(b"m" * 32, MemoryKeyStore()))

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1, max_size=30)
prompts = texts.filter(lambda text: bool(text.strip()))
beyond = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(-1, 2**63 - 1),
        "n": st.integers(1, 10),
        "fps": st.integers(1, 240),
        "num_frames": st.integers(1, 20_000),
        "steps": st.integers(1, 1_000),
        "generate_audio": st.booleans(),
        "negative_prompt": texts,
        "style": texts,
        "lora": st.fixed_dictionaries({"name": texts}, optional={"scale": st.floats(-9, 9).map(lambda n: round(n, 3))}),
    },
)
creates = st.fixed_dictionaries(
    {"prompt": prompts},
    optional={
        "model": texts,
        "seconds": st.integers(1, 20).map(str),
        "size": texts,
        "input_reference": st.one_of(
            st.fixed_dictionaries({"image_url": texts.map("https://x/{}".format)}),
            st.binary(max_size=20).map(lambda raw: {"image_url": "data:;base64," + base64.b64encode(raw).decode()}),
        ),
    },
)
edits = st.fixed_dictionaries({"prompt": prompts, "video": st.fixed_dictionaries({"id": texts})})
extensions = st.builds(lambda edit, seconds: {**edit, "seconds": seconds}, edits, st.integers(1, 20))


def read(operation: str, content_type: str, body: bytes) -> ParsedRequest:
    form = parse(content_type, body)
    return READERS[operation](form.fields, form.files)


def one_request(operation: str, fields: dict[str, Any]) -> ParsedRequest:
    """The request that all ways come to; asserts that it is one, and that a key would be bound to one."""
    found = {name: read(operation, *sent) for name, sent in ways(fields)}
    assert len({repr(request) for request in found.values()}) == 1
    assert all(request == found["json"] for request in found.values()), found
    assert len({IDEMPOTENCY.hash_of(operation, IDEMPOTENCY.said(request)) for request in found.values()}) == 1
    return found["json"]


@settings(max_examples=tries(60), deadline=None)
@given(creates, beyond)
def test_a_create_is_the_same_by_every_way(fields: dict[str, Any], more: dict[str, Any]) -> None:
    one_request("create", {**fields, **more})


@settings(max_examples=tries(40), deadline=None)
@given(st.one_of(st.tuples(st.just("edit"), edits), st.tuples(st.just("extend"), extensions)), beyond)
def test_an_edit_and_an_extension_are_the_same_by_every_way(
    asked: tuple[str, dict[str, Any]], more: dict[str, Any]
) -> None:
    operation, fields = asked
    one_request(operation, {**fields, **more})


def test_a_file_and_a_data_url_of_it_are_the_same_to_a_key() -> None:
    image = png(8, 8)
    uploaded = read("create", *multipart({"prompt": "a"}, {"input_reference": ("a.png", image, "image/png")}))
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    named = read("create", *multipart({"prompt": "a", "input_reference[image_url]": url}))
    assert IDEMPOTENCY.said(uploaded) == IDEMPOTENCY.said(named)


@settings(max_examples=tries(60), deadline=None)
@given(creates, creates)
def test_two_requests_never_share_a_hash(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = create_request(one, {}), create_request(other, {})
    same = IDEMPOTENCY.hash_of("create", IDEMPOTENCY.said(first)) == IDEMPOTENCY.hash_of(
        "create", IDEMPOTENCY.said(second)
    )
    assert same == (first == second)


@pytest.mark.parametrize("way", [name for name, _ in ways({"prompt": "p"})])
def test_every_route_takes_every_way(way: str) -> None:
    kit = make_kit(offers=catalogue(offer(fields=frozenset({"seed"}))))
    source = kit.finished()
    image = {"image_url": "data:image/png;base64," + base64.b64encode(png()).decode()}
    for path, fields in (
        ("", {"prompt": "a", "seed": 7, "input_reference": image}),
        ("", {"prompt": "a", "seed": 7, "remix_video_id": source}),
        (f"/{source}/remix", {"prompt": "a", "seed": 7}),
        ("/edits", {"prompt": "a", "seed": 7, "video": {"id": source}}),
        ("/extensions", {"prompt": "a", "seed": 7, "seconds": 8, "video": {"id": source}}),
    ):
        content_type, body = dict(ways(fields))[way]
        answer = kit.request("POST", f"/v1/videos{path}", content=body, headers={"content-type": content_type})
        assert answer.status_code == 200, (path, answer.text)
        assert kit.render(answer.json()["id"]).intent.fields == {"seed": 7}


def test_unknown_query_parameters_are_ignored(kit: Kit) -> None:
    answer = kit.request("POST", "/v1/videos?api-version=preview&model=x", json={"prompt": "a"})
    assert (answer.status_code, answer.json()["model"]) == (200, "sora-2")
