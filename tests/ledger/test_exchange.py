"""Exports and imports: the same bytes come back, and whatever was changed on the way is named."""

import base64
import gc
import hashlib
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.envelope import Context, Decision
from ledger.errors import Corrupt, Erased
from ledger.exchange.cloudevents import line_of, row_of
from ledger.exchange.errors import ExportDamaged, ExportRefused, ImportRefused
from ledger.exchange.exporting import export_file, export_stream
from ledger.exchange.importing import import_file
from ledger.exchange.key_bundle import export_keys, key_names
from ledger.exchange.manifest import Format, Manifest, TreeHead, checkpoint_path, manifest_path, read_manifest
from ledger.exchange.reading import read_export
from ledger.exchange.selection import Selection, identify
from ledger.keys import KEY_BYTES, Keys, MemoryKeyStore
from ledger.keystore import PostgresKeyStore
from ledger.mapper import RecordedRow
from ledger.proof.checkpoints import Checkpoint, origin_of
from ledger.proof.leaves import leaf_of
from ledger.proof.notes import Signer
from ledger.proof.tiles import Edge
from ledger.recorder import PostgresRecorder
from tests.benchmarks.database import temporary_database

from .examples import EXAMPLES
from .ledger_facts import NOON, new_id, new_stream

FACTS = 90
"""More than one of each."""
EVERYTHING = Selection()
NEWLINE = b"\n"


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def fill(ledger: Ledger, count: int = FACTS) -> None:
    """Facts of every kind in many streams, some columns without a value."""
    facts = list(EXAMPLES.values())
    chance = random.Random(5)  # noqa: S311 - no secret
    for number in range(count):
        context = Context(
            tenant=f"acme-{number % 3}",
            actor='key_"1"\t\\',
            occurred_at=NOON + timedelta(microseconds=number),
            correlation=UUID(int=number) if number % 2 else None,
            causation=UUID(int=number << 64) if number % 5 else None,
            trace=f"{number:032x}" if number % 3 else None,
        )
        fact = facts[number % len(facts)]
        several = [fact] * chance.randint(1, 3)
        stream = new_stream()
        ledger.append(Decision.of([(stream, each) for each in several], heads={}, context=context, new_id=new_id))


@pytest.fixture
def connection(ledger_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(ledger_url, autocommit=True) as opened:
        yield opened


def begin_again(connection: psycopg.Connection, url: str) -> None:
    """An empty ledger in the place of the one that was."""
    connection.execute("drop schema ledger cascade")
    migrate(url, files("ledger.migrations"), schema="ledger")


def rows_of(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("select * from ledger.events order by position").fetchall()


@pytest.fixture(scope="module")
def written(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one ledger in both formats, which no test changes."""
    folder = tmp_path_factory.mktemp("written")
    with temporary_database(server_url) as url, psycopg.connect(url, autocommit=True) as connection:
        migrate(url, files("ledger.migrations"), schema="ledger")
        with open_pool(url, size_max=2) as pool, closing(PostgresRecorder(pool)) as recorder:
            fill(Ledger(recorder))
        for form in Format:
            export_file(connection, EVERYTHING, folder / f"ledger.{form}", form, quiet)
    return folder


@pytest.fixture
def exports(written: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(written, tmp_path / "exports")


@pytest.fixture
def exported(exports: Path) -> Path:
    """The ledger as JSON Lines."""
    return exports / "ledger.jsonl"


@pytest.fixture
def imported(exported: Path, connection: psycopg.Connection) -> Path:
    """The same file, which the ledger was filled from."""
    import_file(connection, exported, quiet)
    return exported


@pytest.mark.parametrize("form", Format)
def test_an_import_gives_the_same_bytes_positions_and_root(
    form: Format, ledger: Ledger, connection: psycopg.Connection, ledger_url: str, tmp_path: Path
) -> None:
    fill(ledger)
    path, again = tmp_path / "first", tmp_path / "second"
    first = export_file(connection, EVERYTHING, path, form, quiet)
    before = rows_of(connection)
    begin_again(connection, ledger_url)
    import_file(connection, path, quiet)
    assert rows_of(connection) == before
    assert export_file(connection, EVERYTHING, again, form, quiet) == first
    assert again.read_bytes() == path.read_bytes()


def read_all(path: Path) -> list[str]:
    return [read.place for read in read_export(path, read_manifest(path))]


def test_a_line_is_a_cloud_event_with_its_payload_as_stored(imported: Path, connection: psycopg.Connection) -> None:
    manifest = read_manifest(imported)
    for line, row in zip(imported.read_bytes().splitlines(), rows_of(connection), strict=True):
        event = json.loads(line)
        assert (event["specversion"], event["source"]) == ("1.0", f"bickford-sora/{manifest.ledger_id}")
        assert (int(event["position"]), event["subject"], event["type"]) == (row[0], row[1], row[3])
        assert all(name.isalnum() and name.islower() for name in event)
        assert all(type(value) in (str, int) for name, value in event.items() if name != "data")
        assert line.endswith(b',"data":' + row[-1] + b"}")


def test_a_payload_that_json_tools_would_rewrite_goes_as_base64(exported: Path) -> None:
    read = next(iter(read_export(exported, read_manifest(exported))))
    for payload in (b'{"v":1, "f":{}}', b'{"v":1,"f":{}}', b'{"f":1.0e3}', b"\xff", b'{"a":1,"a":1}', b"\n"):
        row = replace(read.row, state=payload)
        line = line_of(row, leaf_of(row), "source")
        assert b"data_base64" in line
        assert row_of(line, "source", "line 1") == (row, leaf_of(row))


@pytest.mark.parametrize("form", Format)
def test_any_byte_that_is_changed_in_an_export_is_found(form: Format, exports: Path) -> None:
    path = exports / f"ledger.{form}"
    content = path.read_bytes()
    chance = random.Random(7)  # noqa: S311 - no secret
    for at in chance.sample(range(len(content)), 100):
        changed = bytearray(content)
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(ExportDamaged) as told:
            read_all(path)
        if form is Format.JSONL and changed.count(NEWLINE) == content.count(NEWLINE):
            assert told.value.place == f"line {content[:at].count(NEWLINE) + 1}"


def test_lines_removed_inserted_swapped_or_cut_are_found_where_they_are(exported: Path) -> None:
    lines = exported.read_bytes().splitlines(keepends=True)
    tampered = {
        "line 8": lines[:7] + lines[8:],
        "line 5": [*lines[:4], lines[2], *lines[4:]],
        "line 3": [*lines[:2], lines[3], lines[2], *lines[4:]],
        f"after line {len(lines) - 1}": lines[:-1],
        f"line {len(lines)}": [*lines[:-1], lines[-1][:-20]],
        f"line {len(lines) + 1}": [*lines, lines[-1]],
        "at the beginning": [],
    }
    for place, others in tampered.items():
        exported.write_bytes(b"".join(others))
        with pytest.raises(ExportDamaged) as told:
            read_all(exported)
        assert told.value.place == place


def test_an_event_that_was_made_again_with_all_its_hashes_gives_another_root(exported: Path) -> None:
    lines = exported.read_bytes().splitlines(keepends=True)
    manifest = read_manifest(exported)
    source = f"bickford-sora/{manifest.ledger_id}"
    row, _ = row_of(lines[6], source, "line 7")
    forged = replace(row, context=row.context._replace(actor="key_2"))
    lines[6] = line_of(forged, leaf_of(forged), source)
    exported.write_bytes(b"".join(lines))
    with pytest.raises(ExportDamaged, match="the tree over these facts has another root"):
        read_all(exported)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"events": 7}, "7 were exported"),
        ({"file_sha256": "0" * 64}, "not the file that the manifest tells of"),
        ({"tree": {"size": 3, "root": "0" * 64}}, "another root"),
        ({"ledger_id": str(UUID(int=1))}, "line 1: position 1: source is not"),
        ({"first": 2}, "position 2 is expected"),
        ({"format": "parquet"}, "cannot be read"),
        ({"format": "xml"}, "manifest.json: format: enum"),
        ({"mood": "good"}, "mood: extra_forbidden"),
    ],
)
def test_a_manifest_that_was_changed_is_found(changes: dict[str, object], complaint: str, exported: Path) -> None:
    path = manifest_path(exported)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ExportDamaged, match=complaint):
        read_all(exported)


def test_an_import_needs_an_empty_ledger(imported: Path, connection: psycopg.Connection) -> None:
    before = rows_of(connection)
    with pytest.raises(ImportRefused, match=f"this ledger has {len(before)} facts"):
        import_file(connection, imported, quiet)
    assert rows_of(connection) == before


@pytest.mark.parametrize(
    ("selection", "held"),
    [
        (Selection(first=2), "positions 2 to"),
        (Selection(types=("render.intent",)), "only type"),
        (Selection(tenant="acme-1"), "only tenant"),
        (Selection(since=NOON), "only since"),
        (Selection(positions=(1, 2)), "only positions"),
    ],
    ids=["from 2", "type", "tenant", "since", "positions"],
)
def test_only_a_whole_export_from_the_first_fact_can_be_imported(
    selection: Selection, held: str, imported: Path, connection: psycopg.Connection, ledger_url: str
) -> None:
    path = imported.with_name("part.jsonl")
    manifest = export_file(connection, selection, path, Format.JSONL, quiet)
    assert len(read_all(path)) == manifest.events > 0
    begin_again(connection, ledger_url)
    with pytest.raises(ImportRefused, match=held):
        import_file(connection, path, quiet)


def test_the_beginning_of_a_ledger_can_be_imported(
    imported: Path, connection: psycopg.Connection, ledger_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "beginning.parquet"
    export_file(connection, Selection(last=40), path, Format.PARQUET, quiet)
    before = rows_of(connection)[:40]
    begin_again(connection, ledger_url)
    import_file(connection, path, quiet)
    assert rows_of(connection) == before


def test_nothing_of_a_damaged_export_is_imported(exported: Path, connection: psycopg.Connection) -> None:
    identity = connection.execute("select * from ledger.epochs").fetchall()
    whole = exported.read_bytes()
    exported.write_bytes(whole[:-9])
    with pytest.raises(ExportDamaged, match="the line is cut"):
        import_file(connection, exported, quiet)
    assert rows_of(connection) == []
    assert connection.execute("select * from ledger.epochs").fetchall() == identity
    exported.write_bytes(whole)
    import_file(connection, exported, quiet)
    assert len(rows_of(connection)) == read_manifest(exported).events


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"topic": "render.dreamt"}, r"line 4, position 4: type 'render.dreamt' is not known to this version"),
        ({"state": b'{"f":{},"v":1}'}, r"line 4, position 4: not a valid render\.\w+: .+missing"),
        ({"state": b'{"f":{},"v":99}'}, r"line 4, position 4: not a valid"),
        ({"state": b"[]"}, r"line 4, position 4: not a valid"),
    ],
    ids=["newer type", "fields missing", "newer schema", "no payload"],
)
def test_an_event_this_version_cannot_read_is_named_and_not_imported(
    change: dict[str, object], complaint: str, exported: Path, connection: psycopg.Connection
) -> None:
    manifest = remade(exported, lambda row: replace(row, **change) if row.id == 4 else row)
    with pytest.raises(ImportRefused, match=complaint):
        import_file(connection, exported, quiet)
    assert rows_of(connection) == []
    assert len(read_all(exported)) == manifest.events


def test_versions_that_do_not_follow_one_another_are_refused(exported: Path, connection: psycopg.Connection) -> None:
    first = row_of(*line_and_source(exported, 1), "line 1")[0]
    remade(exported, lambda row: replace(row, originator_version=7) if row.id == 1 else row)
    with pytest.raises(ExportDamaged, match=f"the stream {first.originator_id}: its versions"):
        import_file(connection, exported, quiet)
    assert rows_of(connection) == []


def test_a_stream_with_a_version_twice_is_refused(exported: Path, connection: psycopg.Connection) -> None:
    first = row_of(*line_and_source(exported, 1), "line 1")[0]
    twin = {"originator_id": first.originator_id, "originator_version": 1}
    remade(exported, lambda row: replace(row, **twin) if row.id == 9 else row)
    with pytest.raises(ExportDamaged, match="already exists"):
        import_file(connection, exported, quiet)


def test_a_checkpoint_beside_an_export_has_to_be_of_it(exported: Path, connection: psycopg.Connection) -> None:
    manifest = read_manifest(exported)
    assert manifest.tree is not None
    size, root = manifest.tree.size, bytes.fromhex(manifest.tree.root)
    origin = origin_of(manifest.ledger_id)
    signer = Signer(origin, bytes(32))
    for wrong, complaint in (
        (Checkpoint(origin, size, bytes(32)), f"positions 1 to {size}: a fact among them"),
        (Checkpoint(origin, size + 5, root), f"positions {size + 1} to {size + 5} are missing"),
        (Checkpoint(origin_of(UUID(int=3)), size, root), "the checkpoint: it is of"),
    ):
        checkpoint_path(exported).write_text(wrong.signed(signer), "utf-8")
        with pytest.raises(ExportDamaged, match=complaint):
            import_file(connection, exported, quiet)
        assert rows_of(connection) == []
    checkpoint_path(exported).write_text(Checkpoint(origin, size, root).signed(signer), "utf-8")
    import_file(connection, exported, quiet)


def test_a_role_that_may_only_append_cannot_import(exported: Path, connection: psycopg.Connection) -> None:
    connection.execute("create role exchange_appends")
    try:
        connection.execute("grant usage on schema ledger to exchange_appends")
        connection.execute("grant select on all tables in schema ledger to exchange_appends")
        connection.execute("set role exchange_appends")
        with pytest.raises(ImportRefused, match="import as the owner"):
            import_file(connection, exported, quiet)
    finally:
        connection.execute("reset role")
        connection.execute("drop owned by exchange_appends")
        connection.execute("drop role exchange_appends")


def test_an_export_without_its_manifest_is_not_imported(exported: Path, connection: psycopg.Connection) -> None:
    manifest_path(exported).unlink()
    with pytest.raises(ExportDamaged, match=r"ledger\.jsonl\.manifest\.json: it is missing"):
        import_file(connection, exported, quiet)


def test_nothing_is_overwritten_and_nothing_is_left_half_written(
    imported: Path, connection: psycopg.Connection, tmp_path: Path
) -> None:
    before = imported.read_bytes()
    with pytest.raises(ExportRefused, match="is there already"):
        export_file(connection, EVERYTHING, imported, Format.JSONL, quiet)
    assert imported.read_bytes() == before

    def interrupted(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_file(connection, EVERYTHING, tmp_path / "other", Format.PARQUET, interrupted)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["exports"]


@pytest.mark.parametrize("selection", [Selection(last=10_000), Selection(first=0), Selection(first=50, last=40)])
def test_a_range_the_ledger_does_not_have_is_refused(
    selection: Selection, imported: Path, connection: psycopg.Connection, tmp_path: Path
) -> None:
    with pytest.raises(ExportRefused, match="position"):
        export_file(connection, selection, tmp_path / "other", Format.JSONL, quiet)


def test_a_ledger_with_a_gap_is_not_exported(imported: Path, connection: psycopg.Connection, tmp_path: Path) -> None:
    connection.execute("alter table ledger.events disable trigger all")
    connection.execute("delete from ledger.events where position = 7")
    with pytest.raises(Corrupt, match="position 7 is missing"):
        export_file(connection, EVERYTHING, tmp_path / "other", Format.JSONL, quiet)


def test_a_parquet_export_that_is_cut_off_is_no_parquet_file(
    imported: Path, connection: psycopg.Connection, tmp_path: Path
) -> None:
    connection.execute("alter table ledger.events disable trigger all")
    connection.execute("delete from ledger.events where position = 7")
    written = io.BytesIO()
    with pytest.raises(Corrupt, match="position 7 is missing"):
        export_stream(connection, EVERYTHING, written, Format.PARQUET, quiet)
    with pytest.raises(Corrupt, match="position 7 is missing"):
        export_file(connection, EVERYTHING, tmp_path / "other", Format.PARQUET, quiet)
    gc.collect()  # what is written as late as that would be, and what fails then fails the test
    with pytest.raises(pa.ArrowInvalid):
        parquet.ParquetFile(io.BytesIO(written.getvalue()))


def test_an_empty_ledger_moves_too(connection: psycopg.Connection, ledger_url: str, tmp_path: Path) -> None:
    manifest = export_file(connection, EVERYTHING, tmp_path / "empty", Format.PARQUET, quiet)
    assert manifest.events == 0
    begin_again(connection, ledger_url)
    import_file(connection, tmp_path / "empty", quiet)
    assert identify(connection) == manifest.ledger_id


def test_wrapped_keys_go_beside_and_what_was_destroyed_stays_so(
    recorder: PostgresRecorder, connection: psycopg.Connection, exported: Path, ledger_url: str, tmp_path: Path
) -> None:
    keys = Keys(bytes(KEY_BYTES), PostgresKeyStore(recorder))
    sealed = [
        keys.seal("a heron", requester="key_1", subject=f"video_{number}", field="render.intent.prompt")
        for number in range(3)
    ]
    keys.destroy(requester="key_1", subject="video_1")
    bundle = tmp_path / "wrapped.keys"
    names = key_names(f'{{"a":"{sealed[0]}","b":["{sealed[1]}"]}}'.encode())
    assert names == {"key_1", "key_1/video_0", "key_1/video_1"}
    assert export_keys(connection, bundle, names) == 3
    assert bundle.stat().st_mode & 0o777 == 0o600
    begin_again(connection, ledger_url)
    keys.seal("new", requester="key_1", subject="video_1", field="render.intent.prompt")
    connection.execute("delete from ledger.keys where name = 'key_1'")
    import_file(connection, exported, quiet, keys=(bundle, keys))
    assert keys.open(sealed[0]) == "a heron"
    for gone in sealed[1:]:
        with pytest.raises(Erased):
            keys.open(gone)


@pytest.mark.parametrize("damage", ['{"name":"key_1"}\n', '{"name":"x"', "\n"], ids=["fields", "cut", "empty"])
def test_a_damaged_bundle_is_named_and_leaves_the_ledger_empty(
    damage: str, exported: Path, connection: psycopg.Connection, tmp_path: Path
) -> None:
    bundle = tmp_path / "wrapped.keys"
    bundle.write_text(damage)
    with pytest.raises(ExportDamaged, match=r"line 1 of wrapped\.keys"):
        import_file(connection, exported, quiet, keys=(bundle, Keys(bytes(KEY_BYTES), MemoryKeyStore())))
    assert rows_of(connection) == []


@pytest.mark.parametrize("name", ["key_1", "key_1/video_1", "key_2/video_2"])
@pytest.mark.parametrize(
    "changed", [lambda wrapped: b"A" + wrapped[1:], lambda wrapped: wrapped[:4]], ids=["bit", "cut"]
)
def test_one_damaged_key_is_named_and_not_taken_for_another_master_key(
    *,
    name: str,
    changed: Callable[[bytes], bytes],
    recorder: PostgresRecorder,
    connection: psycopg.Connection,
    exported: Path,
    ledger_url: str,
    tmp_path: Path,
) -> None:
    keys = Keys(bytes(KEY_BYTES), PostgresKeyStore(recorder))
    for requester, subject in [("key_1", "video_1"), ("key_2", "video_2")]:
        keys.seal("a heron", requester=requester, subject=subject, field="render.intent.prompt")
    bundle = tmp_path / "wrapped.keys"
    export_keys(connection, bundle, None)
    begin_again(connection, ledger_url)
    connection.execute("delete from ledger.keys")
    rows = [json.loads(line) for line in bundle.read_bytes().splitlines()]
    number = next(at for at, row in enumerate(rows) if row["name"] == name)
    rows[number]["wrapped"] = base64.b64encode(changed(base64.b64decode(rows[number]["wrapped"]))).decode()
    bundle.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ExportDamaged, match=rf"line {number + 1} of wrapped\.keys.*`wrapped`"):
        import_file(connection, exported, quiet, keys=(bundle, keys))
    assert rows_of(connection) == []
    assert connection.execute("select count(*) from ledger.keys").fetchone() == (0,)


def line_and_source(path: Path, number: int) -> tuple[bytes, str]:
    lines = path.read_bytes().splitlines(keepends=True)
    return lines[number - 1], f"bickford-sora/{read_manifest(path).ledger_id}"


def remade(path: Path, change: Callable[[RecordedRow], RecordedRow]) -> Manifest:
    """Forges an export with everything recomputed, as its maker could."""
    manifest = read_manifest(path)
    edge, lines = Edge(), []
    for read in [*read_export(path, manifest)]:
        row = change(read.row)
        edge.extend([leaf_of(row)])
        lines.append(line_of(row, leaf_of(row), f"bickford-sora/{manifest.ledger_id}"))
    path.write_bytes(b"".join(lines))
    forged = manifest.model_copy(
        update={
            "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "tree": TreeHead(size=edge.size, root=edge.root().hex()),
        }
    )
    manifest_path(path).write_text(forged.model_dump_json())
    return forged
