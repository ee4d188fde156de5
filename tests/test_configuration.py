"""The renderer file: what it says is what is offered; what is wrong in it is named, and changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bickford_sora import configuration
from bickford_sora.configuration import Configuration, of_file
from bickford_sora.configuring import Configuring
from bickford_sora.decisions.catalogue import Recovery
from bickford_sora.price_tables import PriceTables
from bickford_sora.recording import Recording
from bickford_sora.renderer_file import RendererFile, RendererFileInvalid, read_renderer_file
from bickford_sora.stops import Stops
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.events import RendererStopped
from ledger.identifiers import id_maker
from ledger.keys import Keys, MemoryKeyStore
from ledger.memory import MemoryRecorder

EXAMPLES = sorted((Path(__file__).parents[1] / "docs" / "examples" / "renderers").glob("*.yaml"))
SECRETS = {"VLLM_API_KEY": "a", "SGLANG_API_KEY": "b", "HOSTED_API_KEY": "c", "HOSTED_WEBHOOK_SECRET": "whsec_d"}
TWO = ["10.0.0.1", "10.0.0.2"]


def read(text: str, tmp_path: Path) -> RendererFile:
    file = tmp_path / "renderers.yaml"
    file.write_text(text)
    return read_renderer_file(file)


def one(**changes: object) -> str:
    model = {"name": "wan", "sizes": ["1280x720"], "seconds": ["4"]}
    entry = {
        "name": "gpu",
        "dialect": "vllm_omni",
        "credential": {"name": "key", "env": "VLLM_API_KEY"},
        "replicas": ["http://gpu-1:8000/v1"],
        "models": [model],
    }
    return yaml.safe_dump({"renderers": [entry | changes]})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_used(path: Path) -> None:
    found = of_file(read_renderer_file(path), SECRETS, lambda _name, _port: TWO)
    assert found.catalogue.routes
    assert all(each.replicas for each in found.renderers)


def test_a_name_with_two_addresses_is_two_replicas() -> None:
    path = next(each for each in EXAMPLES if each.stem == "sglang-pool")
    found = of_file(read_renderer_file(path), SECRETS, lambda _name, _port: TWO)
    assert found.renderers[0].replicas == ("http://10.0.0.1:30000/v1", "http://10.0.0.2:30000/v1")


def test_a_route_says_who_is_asked_and_at_what_weight() -> None:
    path = next(each for each in EXAMPLES if each.stem == "mixed")
    routes = of_file(read_renderer_file(path), SECRETS).catalogue.routes
    assert [offer.renderer for offer in routes["draft"].offers] == ["own", "hosted"]
    assert (routes["final"].choice, [offer.weight for offer in routes["final"].offers]) == ("weight", [3, 1])


def test_a_weight_is_of_the_servers_own_tenant_unless_it_names_another(tmp_path: Path) -> None:
    text = one() + yaml.safe_dump({"weights": {"films": 3, "acme/films": 2}})
    found = of_file(read(text, tmp_path), SECRETS, lambda _name, _port: TWO)
    assert found.weights == {"main/films": 3, "acme/films": 2}
    twice = one() + yaml.safe_dump({"weights": {"films": 3, "main/films": 2}})
    with pytest.raises(RendererFileInvalid, match="two weights are of the same project"):
        read(twice, tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("renderers: [", "line 1"),
        (one(colour="red"), "renderers.0.colour"),
        (one(dialect="klingon"), "dialects are openai"),
        (one(replicas=[]), "either replicas or dns"),
        (one(credential={"name": "key", "secret": "s"}), "renderers.0.credential"),
        (one(models=[{"name": "w", "sizes": ["big"], "seconds": ["4"]}]), "sizes"),
        (one(models=[{"name": "w", "sizes": ["1280x720"], "seconds": ["4"], "fields": ["fun"]}]), "no fields fun"),
        (one(on_lost="hope"), "on_lost"),
        (one(limits={"lost_attempts_max": -1}), "lost_attempts_max"),
        (one() + "routes: {wan: {renderers: [{renderer: other}]}}", "does not offer it"),
    ],
    ids=[
        "yaml",
        "unknown key",
        "dialect",
        "no replicas",
        "secret in the file",
        "size",
        "field",
        "rule",
        "limit",
        "route",
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(RendererFileInvalid, match=told):
        read(text, tmp_path)


def recovery(text: str, tmp_path: Path) -> Recovery:
    return of_file(read(text, tmp_path), SECRETS).catalogue.routes["wan"].offers[0].recovery


def priced(micro: int, **changes: object) -> str:
    model = {"name": "wan", "sizes": ["1280x720"], "seconds": ["4"], "price": {"micro_per_unit": {"*": micro}}}
    return one(models=[model], **changes)


def test_lost_jobs_are_made_again_by_default_only_where_that_is_known_to_cost_nothing(tmp_path: Path) -> None:
    assert recovery(priced(0), tmp_path).on_lost == "resubmit"
    assert recovery(priced(1), tmp_path).on_lost == "hold"
    assert recovery(one(), tmp_path).on_lost == "hold", "no price is not no cost"
    assert recovery(one(), tmp_path) == Recovery()


def test_a_route_goes_before_its_renderer_in_what_is_done_about_doubt(tmp_path: Path) -> None:
    said = {"on_unknown": "fail", "on_lost": "resubmit", "limits": {"lost_attempts_max": 7, "unknown_after_s": 60}}
    found = recovery(priced(1, **said), tmp_path)
    assert found == Recovery(on_unknown="fail", on_lost="resubmit", lost_attempts_max=7, unknown_after_s=60)
    routed = priced(1, **said) + "routes: {wan: {on_lost: fail, renderers: [{renderer: gpu}]}}"
    assert (recovery(routed, tmp_path).on_lost, recovery(routed, tmp_path).on_unknown) == ("fail", "fail")


def test_a_secret_that_is_not_set_is_named_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(RendererFileInvalid, match="VLLM_API_KEY is not set"):
        of_file(read(one(), tmp_path), {})
    assert "topsecret" not in repr(of_file(read(one(), tmp_path), {"VLLM_API_KEY": "topsecret"}))


@pytest.fixture
def kept() -> tuple[Stops, Callable[[Configuration], Configuring], list[Configuration]]:
    keys = Keys(b"m" * 32, MemoryKeyStore())
    recording = Recording(Ledger(MemoryRecorder(system_clock)), clock=system_clock, new_id=id_maker(system_clock))
    tables = PriceTables(recording, tenant="main")
    stops, applied = Stops(recording, tenant="main"), list[Configuration]()

    def start(found: Configuration) -> Configuring:
        return Configuring(found, stops=stops, publish=tables.publish, keys=keys, apply=applied.append)

    return stops, start, applied


def test_a_change_is_taken_over_without_a_restart_and_is_a_fact(
    kept: tuple[Stops, Callable[[Configuration], Configuring], list[Configuration]], tmp_path: Path
) -> None:
    stops, start, applied = kept
    configuring = start(of_file(read(one(), tmp_path), SECRETS))
    file = tmp_path / "renderers.yaml"
    configuring.look(file, SECRETS)
    assert (len(applied), stops.record("gpu").version) == (1, 1), "nothing changed, nothing is recorded"
    file.write_text(one(replicas=["http://gpu-1:8000/v1", "http://gpu-2:8000/v1"]))
    configuring.look(file, SECRETS)
    assert configuring.renderers[0].replicas[1] == "http://gpu-2:8000/v1"
    assert (len(applied), stops.record("gpu").version) == (2, 2)


@pytest.mark.parametrize("change", [{"on_unknown": "resubmit"}, {"on_lost": "fail"}, {"idempotency_keys": True}])
def test_a_changed_rule_is_a_fact(
    kept: tuple[Stops, Callable[[Configuration], Configuring], list[Configuration]],
    tmp_path: Path,
    change: dict[str, object],
) -> None:
    stops, start, applied = kept
    configuring = start(of_file(read(one(), tmp_path), SECRETS))
    (tmp_path / "renderers.yaml").write_text(one(**change))
    configuring.look(tmp_path / "renderers.yaml", SECRETS)
    assert (len(applied), stops.record("gpu").version) == (2, 2)


def test_a_file_that_is_wrong_is_told_of_and_changes_nothing(
    kept: tuple[Stops, Callable[[Configuration], Configuring], list[Configuration]], tmp_path: Path
) -> None:
    _, start, applied = kept
    configuring = start(of_file(read(one(), tmp_path), SECRETS))
    file = tmp_path / "renderers.yaml"
    file.write_text("renderers: [")
    configuring.look(file, SECRETS)
    assert "not YAML" in str(configuring.problem)
    assert len(applied) == 1
    file.write_text(one())
    configuring.look(file, SECRETS)
    assert configuring.problem is None


def test_a_new_secret_is_a_new_configuration_and_resumes_what_was_stopped(
    kept: tuple[Stops, Callable[[Configuration], Configuring], list[Configuration]], tmp_path: Path
) -> None:
    stops, start, _ = kept
    read_file = read(one(), tmp_path)
    start(of_file(read_file, SECRETS))
    stops.stop(RendererStopped(renderer="gpu", credential="key", code="renderer_unauthorized"))
    start(of_file(read_file, SECRETS))
    assert stops.record("gpu").is_stopped("key", "wan"), "a restart alone does not resume it"
    start(of_file(read_file, SECRETS | {"VLLM_API_KEY": "rotated"}))
    assert not stops.record("gpu").is_stopped("key", "wan")


def test_the_systems_resolver_knows_this_machine() -> None:
    assert "127.0.0.1" in configuration.resolve_by_system("localhost", 80)
