"""Each problem is planted, and each is found and named, with what to do."""

import base64
import hashlib
import json
import re
import shutil
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from bickford_sora.composition.books import keys_folder, open_books
from bickford_sora.doctor import machine, server
from bickford_sora.doctor.books import check_books
from bickford_sora.doctor.examination import examine, settings_or_problems
from bickford_sora.doctor.finding import Finding
from bickford_sora.erasure_list import ErasureList, Listed
from bickford_sora.settings import Settings
from bickford_sora.simulator import SimulatorServer, SimulatorSettings
from ledger.clock import system_clock
from ledger.events import ErasureDecided
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.notes import Signer
from tests.benchmarks.database import temporary_database
from tests.cli.commands import run
from tests.docs.pages import ROOT
from tests.doctor.pooler import pooler

pytestmark = pytest.mark.xdist_group("doctor")

REQUESTER = "req-doctor"


@pytest.fixture(scope="module")
def renderer() -> Iterator[SimulatorServer]:
    with SimulatorServer(SimulatorSettings()) as running:
        yield running


@pytest.fixture(scope="module")
def in_order(
    tmp_path_factory: pytest.TempPathFactory, server_url: str, renderer: SimulatorServer
) -> Iterator[Settings]:
    """An installation that is in order, with a text that is sealed."""
    with temporary_database(server_url) as url:
        given = Settings(
            data_dir=tmp_path_factory.mktemp("doctor"),
            database_url=SecretStr(url),
            openai_base_url=renderer.url,
            openai_api_key=SecretStr("sk-simulator"),
        )
        with open_books(given) as books:
            books.keys.seal("a red kite", requester=REQUESTER, subject="thread-1", field="render.intent.prompt")
        yield given


@pytest.fixture
def settings(in_order: Settings, tmp_path: Path) -> Settings:
    """The same, with files of the test's own. What a test changes in the database it takes back."""
    shutil.copytree(in_order.data_dir, tmp_path / "data", copy_function=shutil.copy2)
    (tmp_path / "data" / "keys").chmod(0o700)
    return changed(in_order, data_dir=tmp_path / "data")


def found(settings: Settings, check: str, *, listen: tuple[str, int] | None = None) -> Finding:
    """What one check has found that is worst."""
    order = ("ok", "skipped", "warning", "problem")
    told = [each for each in examine(settings, clock=system_clock, listen=listen) if each.check == check]
    return max(told, key=lambda each: order.index(each.state))


def problem(settings: Settings, check: str) -> str:
    """What a check has found to be wrong; it always says what to do."""
    finding = found(settings, check)
    assert finding.state == "problem", finding
    assert finding.advice
    return finding.found


def changed(settings: Settings, **fields: object) -> Settings:
    return settings.model_copy(update=fields)


def found_in_books(settings: Settings, check: str, *statements: str) -> Finding:
    """What a check of the ledger finds where these statements were executed; they are taken back."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        (finding,) = [each for each in check_books(connection, url, settings, system_clock) if each.check == check]
        connection.rollback()
    return finding


def execute(settings: Settings, *statements: str) -> None:
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_an_installation_in_order_has_no_problem(settings: Settings) -> None:
    findings = [*examine(settings, clock=system_clock, listen=("127.0.0.1", 0))]
    assert [each for each in findings if each.state == "problem"] == []
    # One role owns everything in these tests, and nobody takes checkpoints; both are said.
    assert {each.check for each in findings if each.state == "warning"} <= {"database_role", "tree", "disk_space"}
    assert not any(each.state == "skipped" for each in findings)


def test_doctor_changes_nothing(tmp_path: Path) -> None:
    assert [*examine(Settings(data_dir=tmp_path / "none"), clock=system_clock)]
    assert not (tmp_path / "none").exists()


def test_settings_that_cannot_be_read_are_named_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BICKFORD_WORKERS", "a-secret-by-mistake")
    monkeypatch.setenv("BICKFORD_TIME_ZONE", "Nowhere/Land")
    given, findings = settings_or_problems()
    assert given is None
    assert {each.found.partition(":")[0] for each in findings} == {"workers", "time_zone"}
    assert "a-secret-by-mistake" not in str(findings)


def test_an_unknown_log_level_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BICKFORD_LOG_LEVEL", "loud")
    assert "log_level" in settings_or_problems()[1][0].found


def test_a_data_folder_that_cannot_be_used_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert "cannot be written to" in problem(changed(settings, data_dir=tmp_path / "file"), "data_folder")


def test_keys_that_others_can_read_are_named(settings: Settings) -> None:
    keys_folder(settings).chmod(0o755)
    assert "open to other users" in problem(settings, "data_folder")


def test_a_full_disk_is_named(settings: Settings) -> None:
    said = problem(changed(settings, spool_free_bytes_min=1 << 62), "disk_space")
    assert "GiB free" in said
    assert "finished videos wait" in said


def test_a_disk_that_may_be_too_small_for_the_largest_video_is_named(settings: Settings) -> None:
    (found,) = [
        each
        for each in machine.check_machine(changed(settings, asset_bytes_max=1 << 60), system_clock)
        if each.check == "disk_space"
    ]
    assert (found.state, "the largest video" in found.found) == ("warning", True)


def test_asset_storage_that_holds_other_bytes_is_named(settings: Settings) -> None:
    stored = settings.data_dir / "assets" / "doctor"
    machine.check_assets(settings, system_clock)
    folder = next(each for each in stored.iterdir() if each.is_dir())
    (folder / hashlib.sha256(machine.PROBE).hexdigest()).write_bytes(b"planted by somebody")
    assert "cannot be used" in problem(settings, "asset_storage")


def test_api_keys_that_cannot_be_read_are_named_without_the_key(settings: Settings) -> None:
    given = changed(settings, api_keys=SecretStr("Not A Project=bk_live_planted_secret"))
    assert "entry 1" in problem(given, "api_keys")
    assert "planted" not in problem(given, "api_keys")


def test_a_damaged_list_of_erasures_is_named(settings: Settings) -> None:
    (settings.data_dir / "erasures.jsonl").write_text("{}\n")
    assert "line 1" in problem(settings, "erasure_list")


def test_a_list_of_erasures_that_is_not_there_is_told_from_an_empty_one(settings: Settings) -> None:
    assert "there is none" in found(settings, "erasure_list").found
    (settings.data_dir / "erasures.jsonl").write_bytes(b"")
    assert "0 erasures" in found(settings, "erasure_list").found


def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert machine.check_port("127.0.0.1", taken.getsockname()[1]).state == "problem"
    assert found(settings, "port", listen=("127.0.0.1", 0)).state == "ok"


def test_a_database_that_does_not_answer_is_named_without_its_password(settings: Settings) -> None:
    away = changed(settings, database_url=SecretStr("postgresql://u:planted-secret@127.0.0.1:1/none"))
    assert "Connection refused" in problem(away, "database")
    assert "planted-secret" not in str([*examine(away, clock=system_clock)])
    assert found(away, "master_key").state == "skipped"


def test_what_is_no_master_key_is_named_before_there_is_a_ledger(settings: Settings, tmp_path: Path) -> None:
    before = changed(settings, data_dir=tmp_path / "none", database_url=None)
    assert found(before, "master_key").state == "skipped"
    assert "32 bytes" in problem(changed(before, master_key=SecretStr("short")), "master_key")


def test_what_a_database_refuses_is_told_apart(settings: Settings) -> None:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    for wrong, said in (
        (make_conninfo(url, dbname="not_there"), "the database does not exist"),
        (make_conninfo(url, user="nobody_here"), "the role does not exist"),
        ("not an address", "no address that libpq can read"),
        ("mysql://u:planted-secret@h/d", "no address that libpq can read"),
    ):
        found_there = problem(changed(settings, database_url=SecretStr(wrong)), "database")
        assert said in found_there
        assert "planted-secret" not in found_there


def test_a_setting_whose_name_has_a_slip_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BICKFORD_REQUEST_MAX", "planted-value")
    monkeypatch.setenv("BICKFORD_BASE_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("BICKFORD_SORA_API_KEY", "planted-value")
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"):
        monkeypatch.setenv(f"BICKFORD_SORA_{name}", "of Kubernetes")
    _, findings = settings_or_problems()
    # A run of the tests has some of its own.
    told = " ".join(each.found for each in findings if each.state == "warning")
    assert "BICKFORD_SORA_API_KEY is set, and is no setting" in told
    assert "BICKFORD_SORA_SERVICE" not in told
    assert "BICKFORD_SORA_PORT" not in told
    assert "BICKFORD_REQUEST_MAX is set, and is no setting" in told
    assert "BICKFORD_BASE_URL" not in told
    assert "planted-value" not in str(findings)


@pytest.mark.parametrize("name", ["BICKFORD_PUBLIC_URL", "OPENAI_BASE_URL"])
def test_an_address_without_its_scheme_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "videos.example.com")
    settings, (finding,) = settings_or_problems()
    assert settings is None
    assert "begins with http" in finding.found


def test_a_database_that_takes_no_writes_is_named(settings: Settings) -> None:
    assert settings.database_url is not None
    read_only = make_conninfo(settings.database_url.get_secret_value(), options="-c default_transaction_read_only=on")
    assert "takes no writes" in problem(changed(settings, database_url=SecretStr(read_only)), "database_writable")


def test_a_pooler_of_transactions_is_named(settings: Settings) -> None:
    assert settings.database_url is not None
    place = conninfo_to_dict(settings.database_url.get_secret_value())
    if not str(place.get("host", "")).startswith("/"):
        pytest.skip("the pooler of this test speaks to the server's Unix socket")
    path = f"{place['host']}/.s.PGSQL.{place['port']}"
    with pooler(path, str(place["user"]), str(place["dbname"])) as port:
        url = f"postgresql://{place['user']}@127.0.0.1:{port}/{place['dbname']}?sslmode=disable&gssencmode=disable"
        with server.connect(url) as connection:
            finding = next(
                each
                for each in server.check_server(connection, url, settings, system_clock)
                if each.check == "database_pooler"
            )
    assert finding.state == "problem"
    assert finding.advice
    assert "pool_mode = session" in finding.advice


def test_too_few_connections_are_named(settings: Settings) -> None:
    assert "100" in problem(changed(settings, database_pool_max=95), "database_connections")


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (5, "warning"), (-5, "warning"), (120, "problem")])
def test_a_clock_that_is_wrong_is_named(settings: Settings, ahead_s: int, state: str) -> None:
    def wrong() -> datetime:
        return system_clock() + timedelta(seconds=ahead_s)

    (finding,) = [each for each in examine(settings, clock=wrong) if each.check == "clock"]
    assert finding.state == state


def test_a_schema_newer_than_the_program_is_named(settings: Settings) -> None:
    execute(settings, "insert into ledger.migrations (number, name, sha256) values (9999, 'later', 'x')")
    try:
        assert "9999_later" in problem(settings, "migrations")
    finally:
        execute(settings, "delete from ledger.migrations where number = 9999")


def test_a_schema_that_is_behind_is_named(settings: Settings) -> None:
    execute(settings, "alter table ledger.migrations rename to migrations_away")
    try:
        finding = found(settings, "migrations")
    finally:
        execute(settings, "alter table ledger.migrations_away rename to migrations")
    assert finding.state == "warning"
    assert "bickford-sora migrate" in str(finding.advice)


def test_a_role_without_rights_is_named(settings: Settings) -> None:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    execute(settings, "create role bickford_stranger login")
    try:
        with server.connect(url) as connection:
            connection.execute("set session authorization bickford_stranger")
            assert server._rights(connection, embedded=False).state == "problem"
    finally:
        execute(settings, "drop role bickford_stranger")


def test_a_role_of_its_own_that_may_append_is_in_order(settings: Settings) -> None:
    assert settings.database_url is not None
    execute(
        settings,
        "create role bickford_server login",
        "grant usage on schema ledger to bickford_server",
        "grant select on all tables in schema ledger to bickford_server",
        "grant execute on function ledger.append(ledger.fact[], ledger.head[]) to bickford_server",
    )
    try:
        with server.connect(settings.database_url.get_secret_value()) as connection:
            connection.execute("set session authorization bickford_server")
            assert server._rights(connection, embedded=False).state == "ok"
    finally:
        execute(settings, "drop owned by bickford_server", "drop role bickford_server")


def test_a_role_that_owns_the_tables_is_told_of(settings: Settings) -> None:
    assert "triggers alone" in found(settings, "database_role").found


def test_the_wrong_master_key_is_named(settings: Settings) -> None:
    other = changed(settings, master_key=SecretStr(base64.b64encode(b"x" * 32).decode()))
    assert "not the one" in problem(other, "master_key")
    assert "32 bytes" in problem(changed(settings, master_key=SecretStr("short")), "master_key")


def test_a_lost_master_key_is_named_and_no_server_makes_another(settings: Settings) -> None:
    kept = keys_folder(settings) / "master.key"
    kept.unlink()
    assert "is not there" in problem(settings, "master_key")
    assert not kept.exists()
    with pytest.raises(ValueError, match="restore it from a backup"), open_books(settings):
        pass
    assert not kept.exists()


def test_erasures_that_a_backup_revived_are_named(settings: Settings) -> None:
    decided = ErasureDecided(kind="requester", subject=REQUESTER, project="default", cause="asked")
    entry = Listed(at=system_clock(), tenant="main", actor="key_1", requester=REQUESTER, decided=decided)
    ErasureList(settings.data_dir / "erasures.jsonl").append(entry)
    destroyed = (  # with what is below it, which has no line of its own
        "update ledger.keys set wrapped = null, destroyed_at = now() "
        "where name = 'req-doctor' or name = 'req-doctor/thread-1'"
    )
    assert found_in_books(settings, "erasures").state == "warning"
    assert found_in_books(settings, "erasures", destroyed).state == "ok"
    (settings.data_dir / "erasures.jsonl").unlink()
    assert "not on the list" in found_in_books(settings, "erasures", destroyed).found


PLANTED: list[tuple[str, str, str]] = [
    ("update projections.positions set version = 1 where name = 'videos'", "problem", "version 1"),
    ("update projections.positions set position = 99 where name = 'videos'", "problem", "ahead of the ledger"),
    (
        "insert into projections.parked (name, stream, position, error_code) values ('videos', 's', 1, 'corrupt')",
        "warning",
        "could not read 1 streams",
    ),
]


@pytest.mark.parametrize(("statement", "state", "said"), PLANTED, ids=["version", "ahead", "parked"])
def test_a_read_model_that_needs_somebody_is_named(settings: Settings, statement: str, state: str, said: str) -> None:
    finding = found_in_books(settings, "read_models", statement)
    assert (finding.state, said in finding.found) == (state, True), finding


def test_a_ledger_that_was_cut_is_named(settings: Settings) -> None:
    cut = "insert into ledger.tree_edge (ledger_id, size, partial) select ledger_id, 7, '{}' from ledger.epochs"
    finding = found_in_books(settings, "tree", "delete from ledger.tree_edge", cut)
    assert finding.state == "problem"
    assert "it was cut" in finding.found


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_checkpoint_that_was_signed_here_and_is_gone_is_named(settings: Settings, size: int) -> None:
    # As after the promotion of a standby that had fallen behind.
    keys = settings.data_dir / "keys"
    keys.mkdir(exist_ok=True)
    note = Checkpoint("bickford-sora/x", size, b"\1" * 32).signed(Signer("bickford-sora/x", b"\1" * 32))
    (keys / "checkpoint-ab.signed").write_text(note)
    finding = found_in_books(settings, "tree")
    assert (finding.state, "facts were lost" in finding.found) == ("problem", True), finding
    assert "checkpoint-ab.signed" in finding.found


def test_what_a_rotated_key_signed_is_not_looked_for_on_machines_that_still_have_its_file(
    server_url: str, tmp_path: Path
) -> None:
    with temporary_database(server_url) as url:
        settings = Settings(data_dir=tmp_path / "data", database_url=SecretStr(url))
        with open_books(settings) as books:
            signing, ledger_id = books.proving.signing, books.proving.tree.ledger_id()
            signer = signing.signer(ledger_id)
            assert signer is not None
            path = signing.signed.path(signer.verifier.key_id.hex())
            note = Checkpoint(signer.verifier.name, 1_000_000, b"\1" * 32).signed(signer)
            path.write_text(note)
            assert path.name in found_in_books(settings, "tree").found
            signing.rotate(ledger_id, "lost", actor="somebody")
            path.write_text(note)  # as on a machine where nobody rotated it
        assert "facts were lost" not in found_in_books(settings, "tree").found


BAD_RENDERERS: list[tuple[dict[str, object], str]] = [
    ({"openai_base_url": "http://127.0.0.1:1/v1"}, "renderer_unreachable"),
    ({"openai_base_url": None}, "none is configured"),
    ({"openai_webhook_secret": SecretStr("whsec_")}, "no usable webhook secret"),
]


@pytest.mark.parametrize(("fields", "said"), BAD_RENDERERS, ids=["away", "none", "secret"])
def test_a_renderer_that_cannot_be_used_is_named(settings: Settings, fields: dict[str, object], said: str) -> None:
    findings = [*examine(changed(settings, **fields), clock=system_clock)]
    assert any(said in each.found and each.state == "problem" and each.advice for each in findings), findings


def test_a_credential_that_is_not_accepted_is_named(settings: Settings) -> None:
    with SimulatorServer(SimulatorSettings(api_key="sk-another")) as strict:
        away = changed(settings, openai_base_url=strict.url)
        assert "renderer_unauthorized" in problem(away, "renderers")


def test_an_address_that_lacks_its_path_is_told_of(settings: Settings, renderer: SimulatorServer) -> None:
    away = found(changed(settings, openai_base_url=renderer.url.removesuffix("/v1")), "renderers")
    assert away.state == "warning"
    assert "/v1" in str(away.advice)


def test_a_webhook_secret_that_could_be_guessed_is_told_of(settings: Settings) -> None:
    weak = changed(settings, openai_webhook_secret=SecretStr("hello"), public_url="https://v.example")
    assert "guess" in found(weak, "webhooks").found


def test_a_renderer_file_that_cannot_be_read_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "renderers.yaml").write_text("renderers: [{name: x")
    assert "renderers.yaml" in problem(changed(settings, renderers_file=tmp_path / "renderers.yaml"), "renderers")


def test_webhooks_without_an_address_of_ours_are_told_of(settings: Settings) -> None:
    secret = {"openai_webhook_secret": SecretStr("whsec_c2VjcmV0LXNlY3JldA==")}
    assert found(changed(settings, **secret), "webhooks").state == "warning"
    assert found(changed(settings, **secret, public_url="https://v.example"), "webhooks").state == "ok"


def test_every_command_it_advises_exists() -> None:
    pages = (each.read_text("utf-8") for each in (ROOT / "bickford_sora" / "doctor").glob("*.py"))
    advised = set(re.findall(r"bickford-sora ([a-z]+(?: [a-z]+)*)", " ".join(pages)))
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    commands = re.findall(r"^## (.+)$", reference, flags=re.MULTILINE)
    assert {each for each in advised if not any(f"{each} ".startswith(f"{known} ") for known in commands)} == set()


def test_the_commands_say_it_and_end_with_status_1(tmp_path: Path) -> None:
    said = run(tmp_path / "data", "doctor", "--json", status=1).stdout
    answer = json.loads(said)
    assert answer["healthy"] is False
    assert {"check", "state", "found", "advice"} == set(answer["findings"][0])
    lines = run(tmp_path / "data", "serve", "--check", "--port", "0", status=1).stdout
    assert "problem  renderers" in lines
    assert "-> Set OPENAI_BASE_URL" in lines
    assert "port" in lines
    assert "the stand-in renders" in run(tmp_path / "data", "serve", "--check", "--simulator", "--port", "0").stdout


def test_serve_check_serves_nothing_and_ends_well(settings: Settings, renderer: SimulatorServer) -> None:
    assert settings.database_url is not None
    given = {
        "BICKFORD_DATABASE_URL": settings.database_url.get_secret_value(),
        "OPENAI_BASE_URL": renderer.url,
        "OPENAI_API_KEY": "sk-simulator",
    }
    assert "ok" in run(settings.data_dir, "serve", "--check", "--port", "0", **given).stdout
