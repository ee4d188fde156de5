"""Fields beyond the protocol, references by URL, and routes of more than one renderer, as a client meets them."""

import base64
import http.server
import threading
from collections.abc import Iterator

import pytest

from bickford_sora.decisions.catalogue import Price
from bickford_sora.decisions.fields import NEGATIVE_PROMPT_CHARS_MAX
from bickford_sora.decisions.policy import built_in
from tests.http.houses import Kit, catalogue, error_of, make_kit, offer, png

REFUSED = "invalid_request_error"
ENGINE = offer(
    fields=frozenset({"seed", "negative_prompt", "n", "num_frames", "fps", "lora"}),
    prices=(Price("frame", {"*": 1_000}, frames_per_second=24),),
)


def test_a_field_that_some_renderer_of_the_model_takes_is_passed_priced_and_its_text_sealed() -> None:
    kit = make_kit(offers=catalogue(offer("sora-2-pro"), ENGINE))
    body = {"prompt": "A cat", "model": "sora-2", "seed": 7, "negative_prompt": "blur", "num_frames": 81, "n": 2}
    answer = kit.request("POST", "/v1/videos", json=body)
    assert answer.status_code == 200, answer.text
    render = kit.render(answer.json()["id"])
    assert render.intent.fields == {"n": 2, "num_frames": 81, "seed": 7}
    assert kit.keys.open(render.intent.text_fields["negative_prompt"]) == "blur"
    assert render.allowed is not None
    quote = render.allowed.quote
    assert quote is not None
    assert (quote.unit, quote.quantity_milli, quote.cost.amount_micro) == ("frame", 162_000, 162_000)
    assert "blur" not in str(kit.ledger.read(0))


def test_the_longest_texts_there_may_be_fit_into_one_fact() -> None:
    kit = make_kit(offers=catalogue(offer(fields=frozenset({"negative_prompt", "lora", "style"}))))
    widest = "\U0001f3a5"
    texts = {"prompt": 32_000, "negative_prompt": NEGATIVE_PROMPT_CHARS_MAX, "lora": 2_000, "style": 2_000}
    body = {name: widest * length for name, length in texts.items()}
    assert kit.request("POST", "/v1/videos", json=body).status_code == 200


def test_frames_and_outputs_cannot_slip_under_a_cost_limit() -> None:
    kit = make_kit(offers=catalogue(ENGINE), policy=built_in(100_000))
    assert kit.request("POST", "/v1/videos", json={"prompt": "A cat"}).status_code == 200
    for more in ({"num_frames": 101}, {"n": 2}):
        answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat", **more})
        assert error_of(answer)[::3] == (403, "render_cost_exceeded")


def test_a_field_that_no_renderer_of_the_model_takes_is_refused_by_its_name() -> None:
    kit = make_kit(offers=catalogue(offer("sora-2-pro"), ENGINE))
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat", "model": "sora-2-pro", "seed": 7})
    assert error_of(answer) == (400, REFUSED, "seed", "unknown_parameter")
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat", "model": "sora-2", "style": "film"})
    assert error_of(answer) == (400, REFUSED, "style", "unknown_parameter")
    assert kit.ledger.head() == 0


def test_a_retry_asks_for_the_fields_beyond_the_protocol_again() -> None:
    kit = make_kit(offers=catalogue(ENGINE))
    body = {"prompt": "A cat", "seed": 7, "negative_prompt": "blur", "lora": {"name": "noir", "scale": 0.5}}
    failed = kit.request("POST", "/v1/videos", json=body).json()["id"]
    kit.fail(failed)
    again = kit.request("POST", f"/v1/videos/{failed}/retry").json()["id"]
    first, second = kit.render(failed).intent, kit.render(again).intent
    assert second.fields == first.fields
    assert {name: kit.keys.open(text) for name, text in second.text_fields.items()} == {
        "lora": '{"name":"noir","scale":0.5}',
        "negative_prompt": "blur",
    }


def test_a_render_goes_to_the_next_renderer_of_its_route_while_the_first_is_stopped() -> None:
    stopped = {"gpu"}
    first, second = offer(renderer="gpu", served_model="Wan2.2"), offer(renderer="hosted")
    kit = make_kit(offers=catalogue(first, second), is_stopped=lambda renderer, *_: renderer in stopped)
    allowed = kit.render(kit.create()).allowed
    assert allowed is not None
    assert (allowed.renderer, allowed.served_model) == ("hosted", None)
    stopped.add("hosted")
    head = kit.ledger.head()
    answer = kit.request("POST", "/v1/videos", json={"prompt": "A cat"})
    assert error_of(answer) == (503, "server_error", None, "route_stopped")
    assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("false", "60")
    assert kit.ledger.head() == head
    stopped.clear()
    allowed = kit.render(kit.create()).allowed
    assert allowed is not None
    assert (allowed.renderer, allowed.served_model) == ("gpu", "Wan2.2")


def test_a_prompt_too_long_for_every_renderer_is_refused_with_the_limit_and_never_cut() -> None:
    kit = make_kit(offers=catalogue(offer(prompt_chars_max=20), offer(renderer="other", prompt_chars_max=30)))
    allowed = kit.render(kit.create("x" * 30)).allowed
    assert allowed is not None
    assert allowed.renderer == "other"
    answer = kit.request("POST", "/v1/videos", json={"prompt": "x" * 31})
    assert error_of(answer) == (400, REFUSED, "prompt", "prompt_too_long")
    assert "30" in answer.json()["error"]["message"]


class Pictures(http.server.BaseHTTPRequestHandler):
    """Serves a picture, counts who asks, and answers otherwise as its path says."""

    asked: list[str]
    content: bytes

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = 404 if self.path == "/gone" else 200
        body = b"x" * 600_000 if self.path == "/huge" else self.content
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pictures() -> Iterator[tuple[str, type[Pictures]]]:
    handler = type("Handler", (Pictures,), {"asked": [], "content": png()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def test_a_reference_by_url_is_fetched_once_and_stored(kit: Kit, pictures: tuple[str, type[Pictures]]) -> None:
    url, server = pictures
    body = {"prompt": "As this", "input_reference": {"image_url": f"{url}/sea.png"}}
    request = {"json": body, "headers": {"Idempotency-Key": "sea"}}
    first = kit.request("POST", "/v1/videos", **request)
    assert first.status_code == 200, first.text
    reference = kit.render(first.json()["id"]).intent.input_reference
    assert reference is not None
    assert b"".join(kit.assets.open(reference.storage_uri)) == server.content
    # A replay fetches nothing, and another picture under the same URL is the same request.
    server.content = b"changed"
    assert kit.request("POST", "/v1/videos", **request).json() == first.json()
    assert server.asked == ["/sea.png"]


@pytest.mark.parametrize(
    ("path", "change", "code"),
    [
        ("/gone", {}, "image_url_unreachable"),
        ("/huge", {}, "image_too_large"),
        ("/sea.png", {"size": "1280x720"}, "image_size_mismatch"),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused_and_leaves_no_trace(
    kit: Kit, pictures: tuple[str, type[Pictures]], path: str, change: dict[str, str], code: str
) -> None:
    body = {"prompt": "As this", "input_reference": {"image_url": pictures[0] + path}, **change}
    assert error_of(kit.request("POST", "/v1/videos", json=body))[::3] == (400, code)
    assert kit.ledger.head() == 0
    assert not kit.assets._contents


def test_a_wrong_request_fetches_nothing(kit: Kit, pictures: tuple[str, type[Pictures]]) -> None:
    body = {"prompt": "As this", "seconds": "5", "input_reference": {"image_url": pictures[0]}}
    assert error_of(kit.request("POST", "/v1/videos", json=body))[2] == "seconds"
    assert pictures[1].asked == []


def test_a_reference_in_a_data_url_is_stored_as_the_file_it_is(kit: Kit) -> None:
    image = png()
    url = "data:image/webp;base64," + base64.b64encode(image).decode()
    answer = kit.request("POST", "/v1/videos", data={"prompt": "As this", "input_reference[image_url]": url})
    reference = kit.render(answer.json()["id"]).intent.input_reference
    assert reference is not None
    assert (reference.media_type, reference.filename) == ("image/png", None)
    assert b"".join(kit.assets.open(reference.storage_uri)) == image
