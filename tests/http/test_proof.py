"""What anybody can check by HTTP, with nothing but the ledger's public key."""

import base64

import httpx

from ledger.proof.checkpoints import open_checkpoint, origin_of
from ledger.proof.merkle import check_consistency, root
from ledger.proof.receipts import Receipt
from ledger.proof.tiles import TileNodes, tiles_of

from .houses import Kit, error_of, signer_of


def opened(kit: Kit, answer: httpx.Response) -> tuple[int, bytes]:
    tree = kit.house.proofs.tree
    found = open_checkpoint(
        answer.content, origin=origin_of(tree.ledger_id()), verifiers=[signer_of(tree.ledger_id()).verifier]
    )
    return found.size, found.root


def test_the_tiles_lead_to_the_checkpoint(kit: Kit) -> None:
    kit.create()
    kit.checkpoint()
    answer = kit.request("GET", "/v1/ledger/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    size, signed = opened(kit, answer)
    tiles = {tile: kit.request("GET", f"/v1/ledger/tile/{tile.path}") for tile in tiles_of(size)}
    assert {each.headers["content-type"] for each in tiles.values()} == {"application/octet-stream"}
    assert root(TileNodes(lambda tile: tiles[tile].content, size), size) == signed


def test_one_checkpoint_goes_on_from_another(kit: Kit) -> None:
    kit.create()
    kit.checkpoint()
    old, old_root = opened(kit, kit.request("GET", "/v1/ledger/checkpoint"))
    kit.create()
    kit.checkpoint()
    new, new_root = opened(kit, kit.request("GET", "/v1/ledger/checkpoint"))
    answer = kit.request("GET", "/v1/ledger/proof/consistency", params={"from": old, "to": new}).json()
    proof = [base64.b64decode(each) for each in answer["proof"]]
    assert (answer["old_size"], answer["new_size"]) == (old, new)
    check_consistency(old=old, old_root=old_root, new=new, new_root=new_root, proof=proof)
    beyond = kit.request("GET", "/v1/ledger/proof/consistency", params={"from": old, "to": new + 1})
    assert error_of(beyond) == (400, "invalid_request_error", None, "proof_not_covered")


def test_a_receipt_proves_each_fact_of_a_video(kit: Kit) -> None:
    video = kit.create()
    kit.checkpoint()
    ledger_id = kit.house.proofs.tree.ledger_id()
    verifiers = [signer_of(ledger_id).verifier]
    last = kit.request("GET", f"/v1/videos/{video}/receipt")
    first = kit.request("GET", f"/v1/videos/{video}/receipt", params={"version": 1})
    render = kit.render(video)
    for answer, version in ((last, render.version), (first, 1)):
        found = Receipt.parse(answer.content)
        found.check(verifiers=verifiers, origin=origin_of(ledger_id))
        assert f'"version":{version}}}'.encode() in (found.extra or b"")
        assert answer.headers["content-disposition"] == f'attachment; filename="{found.index + 1}.tlog-proof"'
        assert kit.request("GET", "/v1/ledger/proof", params={"position": found.index + 1}).text == answer.text


def test_what_is_not_covered_yet_says_so(kit: Kit) -> None:
    video = kit.create()
    expected = (400, "invalid_request_error", None, "proof_not_covered")
    assert error_of(kit.request("GET", "/v1/ledger/checkpoint")) == expected
    assert error_of(kit.request("GET", f"/v1/videos/{video}/receipt")) == expected
    kit.checkpoint()
    kit.progress(video, 20) if kit.render(video).phase == "rendering" else kit.submit(video)
    answer = kit.request("GET", f"/v1/videos/{video}/receipt")
    assert error_of(answer) == expected
    assert "the next one will" in answer.json()["error"]["message"]


def test_what_is_not_there_is_named(kit: Kit) -> None:
    video = kit.create()
    kit.checkpoint()
    for path, code in (
        ("/v1/ledger/tile/0/001", "tile_not_found"),
        ("/v1/ledger/tile/0/1", "tile_not_found"),
        ("/v1/ledger/tile/../events", "tile_not_found"),
        (f"/v1/videos/{video}/receipt?version=99", "fact_not_found"),
        ("/v1/ledger/proof?position=99", "fact_not_found"),
    ):
        answer = kit.request("GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) in [(404, code), (404, "unknown_url")], path
