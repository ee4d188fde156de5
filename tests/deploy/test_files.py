"""What the files to deploy with name exists: settings, commands, options, paths, users."""

import configparser
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml
from psycopg.conninfo import conninfo_to_dict

from bickford_sora.cli.application import COMMANDS, application
from bickford_sora.http.worker_routes import create_worker_app
from bickford_sora.keeper import RESTART_MAX_S
from bickford_sora.metrics import Metrics
from bickford_sora.settings import Settings
from tests.docs.pages import REFERENCE, ROOT
from tests.docs.test_settings import variable

DEPLOY = ROOT / "docs" / "deploy"
MANIFESTS = [
    each
    for each in yaml.safe_load_all((DEPLOY / "kubernetes" / "bickford-sora.yaml").read_text("utf-8"))
    if each is not None
]
SETTINGS = {variable(Settings, name) for name in Settings.model_fields}
HTTP = (REFERENCE / "http.md").read_text("utf-8")


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every pod's specification, and each of its containers."""
    for manifest in MANIFESTS:
        if manifest["kind"] in {"Job", "Deployment"}:
            pod = manifest["spec"]["template"]["spec"]
            for container in pod["containers"]:
                yield pod, container


def check_command(arguments: list[str]) -> None:
    """The command exists and takes these options."""
    name, *options = arguments
    assert name in COMMANDS
    command = typer.main.get_command(application(name)).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, [str(each) for each in options], resilient_parsing=False).close()


@pytest.mark.parametrize(
    "path", sorted(each for each in DEPLOY.rglob("*") if each.is_file()), ids=lambda each: each.name
)
def test_settings_that_are_named_exist(path: Any) -> None:
    named = set(re.findall(r"\b(?:BICKFORD|OPENAI)_[A-Z_]+\b", path.read_text("utf-8")))
    assert named <= SETTINGS, named - SETTINGS


def test_every_container_runs_a_command_that_exists_without_rights() -> None:
    seen = []
    for pod, container in containers():
        check_command([str(each) for each in container["args"]])
        seen.append(container["args"][0])
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert seen == ["migrate", "serve", "worker"]


def test_probes_ask_paths_that_exist_on_ports_that_are_open() -> None:
    worker_paths = {route.path for route in create_worker_app(Metrics(), list).routes}  # type: ignore[attr-defined]
    for _, container in containers():
        probes = [value for key, value in container.items() if key.endswith("Probe")]
        assert probes or container["args"] == ["migrate"]
        for probe in probes:
            path, port = probe["httpGet"]["path"], probe["httpGet"]["port"]
            assert f"`{path}`" in HTTP or path in worker_paths
            assert path in worker_paths or container["name"] == "api"
            assert port in {each["name"] for each in container["ports"]}


def test_a_pod_has_time_to_finish_what_it_has_begun() -> None:
    submit_timeout_s = Settings.model_fields["submit_timeout_s"].default
    for pod, container in containers():
        if container["args"][0] == "worker":
            assert pod["terminationGracePeriodSeconds"] > 2 * submit_timeout_s
        if container["args"][0] == "serve":
            assert "preStop" in container["lifecycle"]
            assert "--no-workers" in container["args"]


def test_a_database_that_is_to_prove_itself_is_held_to_authorities_that_are_named() -> None:
    (secret,) = [each for each in MANIFESTS if each["kind"] == "Secret"]
    address = conninfo_to_dict(secret["stringData"]["BICKFORD_DATABASE_URL"])
    assert address["sslmode"] == "verify-full"
    assert address["sslrootcert"], "else libpq looks for a file in the home folder, and refuses to connect"


def test_a_restart_is_said_to_take_as_long_as_it_may() -> None:
    assert f"{RESTART_MAX_S:.0f} s at most" in (DEPLOY / "README.md").read_text("utf-8")


def test_services_select_pods_that_exist() -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in MANIFESTS if each["kind"] == "Deployment"]
    (service,) = [each for each in MANIFESTS if each["kind"] == "Service"]
    assert service["spec"]["selector"] in labels
    for deployment in (each for each in MANIFESTS if each["kind"] == "Deployment"):
        assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_the_unit_runs_commands_that_exist_and_stops_gently() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string((DEPLOY / "bickford-sora.service").read_text("utf-8"))
    service = unit["Service"]
    for line in ("ExecStartPre", "ExecStart"):
        check_command(service[line].split()[1:])
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) > 2 * Settings.model_fields["submit_timeout_s"].default
    assert service["User"] != "root"


def test_the_image_runs_as_another_user_than_root_and_copies_what_there_is() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    user = re.search(r"^USER (\d+):", text, flags=re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    for line in re.findall(r"^COPY (?!--from)(.*)", text, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    assert re.search(rf"groupadd --gid {user[1]} \w+ .*useradd --uid {user[1]} --gid {user[1]} ", text, flags=re.DOTALL)
    command = re.search(r"^CMD \[(.*)\]", text, flags=re.MULTILINE)
    assert command is not None
    check_command([each.strip().strip('"') for each in command[1].split(",")])
    assert "/readyz" in text
