"""The child process: whatever becomes of it, the caller gets a typed answer and no process or file stays behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from bickford_sora.assets.errors import (
    MediaError,
    MediaInspectionInterrupted,
    MediaInspectionTimeout,
    MediaInspectorUnavailable,
    MediaInvalid,
)
from bickford_sora.assets.inspector import MediaInspector
from bickford_sora.assets.limits import MediaLimits
from tests.processes import is_gone

REPOSITORY = Path(__file__).parents[2]
CONFINED = (
    "from bickford_sora.assets.limits import MediaLimits, confine_this_process; confine_this_process(MediaLimits({}))"
)


HOST = """
import os, signal, sys, time
from bickford_sora.assets.inspection_host import serve

def child(task, limits):
    exec({code!r}, globals())
    sys.stdout.flush()

serve(child)
"""


def inspector_of(child: str, **limits: float) -> MediaInspector:
    """An inspector whose child runs this code instead of a decoder."""
    host = HOST.format(code=textwrap.dedent(child))
    return MediaInspector(limits=MediaLimits(**{"wall_clock_s": 20, **limits}), host=[sys.executable, "-c", host])


def outcome(child: str, **limits: float) -> MediaError:
    with inspector_of(child, **limits) as inspector, pytest.raises(MediaError) as raised:
        inspector.inspect_video(b"a file")
    return raised.value


@pytest.mark.parametrize("crash", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"])
def test_a_crash_of_the_decoder_is_a_verdict(crash: str) -> None:
    error = outcome(f"print('ready', flush=True); os.kill(os.getpid(), signal.{crash})")

    assert isinstance(error, MediaInvalid)
    assert error.code == "media_decoder_crashed"
    assert crash in error.reason


def test_a_real_segmentation_fault_is_a_verdict() -> None:
    error = outcome("import ctypes; print('ready', flush=True); ctypes.string_at(0)")

    assert error.code == "media_decoder_crashed"


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM"])
def test_a_child_killed_from_outside_says_nothing_about_the_file(signal_name: str) -> None:
    error = outcome(f"print('ready', flush=True); os.kill(os.getpid(), signal.{signal_name})")

    assert isinstance(error, MediaInspectionInterrupted)


def test_a_child_that_never_begins_says_nothing_about_the_file() -> None:
    for child in ("sys.exit(1)", "raise ImportError", "os.kill(os.getpid(), signal.SIGSEGV)", "print('not ready')"):
        assert isinstance(outcome(child), MediaInspectorUnavailable)


def test_a_missing_program_is_unavailable() -> None:
    inspector = MediaInspector(limits=MediaLimits(), host=["/nowhere/python"])

    with pytest.raises(MediaInspectorUnavailable):
        inspector.inspect_video(b"a file")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "[]",
        "nonsense",
        '{"facts": {}}',
        '{"facts": {"width": -1}}',
        '{"broken": "TypeError"}',
        '{"x": 1}',
        '{"refused": {"fault": "made_up", "reason": ""}}',
    ],
)
def test_an_answer_nobody_understands_is_not_believed(answer: str) -> None:
    assert isinstance(outcome(f"print('ready'); print({answer!r})"), MediaInspectorUnavailable)


def test_an_endless_answer_is_cut_off() -> None:
    child = "print('ready')\nwhile True: print('x' * 100_000)"

    assert isinstance(outcome(child, answer_bytes_max=1_000_000), MediaInspectorUnavailable)


@pytest.mark.parametrize(
    "child",
    ["time.sleep(60)", "print('ready', flush=True); os.close(1); time.sleep(60)", "os.fork(); time.sleep(60)"],
    ids=["silent", "closed-output", "grandchild-keeps-output"],
)
def test_an_endless_check_ends_at_the_deadline(child: str) -> None:
    with inspector_of(child, wall_clock_s=0.2) as inspector:
        begin = time.monotonic()
        with pytest.raises(MediaInspectionTimeout):
            inspector.inspect_video(b"a file")
        assert time.monotonic() - begin < 30  # it would take a minute


def test_the_real_child_ends_at_the_deadline(video: bytes) -> None:
    with (
        MediaInspector(limits=MediaLimits(wall_clock_s=0.01)) as inspector,
        pytest.raises(MediaInspectionTimeout),
    ):
        inspector.inspect_video(video)


def test_an_endless_computation_ends_with_its_processor_time() -> None:
    child = CONFINED.format("cpu_s=1") + "\nprint('ready', flush=True)\nwhile True: pass"

    assert isinstance(outcome(child), MediaInspectionTimeout)


def test_a_confined_process_can_neither_write_files_nor_raise_its_limits_nor_open_many(tmp_path: Path) -> None:
    code = CONFINED.format("open_files_max=8") + textwrap.dedent("""
        import sys
        failures = []
        try:
            with open(sys.argv[1], "wb", buffering=0) as file: file.write(b"x")
        except OSError as error: failures.append("write")
        try: files = [open("/dev/null") for _ in range(8)]
        except OSError: failures.append("open")
        try: bytearray(3 << 30)
        except MemoryError: failures.append("memory")
        print(failures)
    """)
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "['write', 'open', 'memory']"


def test_the_child_sees_no_environment_and_no_descriptor_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BICKFORD_SECRET", "planted")
    seen = tmp_path / "seen"
    child = f"""
        with open({str(seen)!r}, "w") as file:
            file.write(" ".join(os.environ) + "|" + os.getcwd() + "|" + " ".join(sorted(os.listdir("/proc/self/fd"))))
        print('ready', flush=True)
    """
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)  # noqa: FBT003 - positional only
        outcome(child)

    environment, folder, descriptors = seen.read_text().split("|")
    assert set(environment.split()) <= {"PYTHONPATH", "LC_CTYPE"}
    assert folder == "/"
    assert descriptors == "0 1 2 3 4"  # 3 is `seen`, 4 the listing itself


def test_checking_a_picture_loads_neither_the_video_library_nor_the_project() -> None:
    code = "import sys; import bickford_sora.assets.inspection as i; i._work('image'); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())

    assert "bickford_sora.assets.image_decoding" in loaded
    assert not loaded & {"av", "pydantic", "fastapi", "structlog", "numpy"}


def children() -> set[str]:
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


def test_no_process_stays_behind(video: bytes) -> None:
    before = children()
    for wall_clock_s in (0.01, 20):
        with MediaInspector(limits=MediaLimits(wall_clock_s=wall_clock_s)) as inspector:
            try:
                inspector.inspect_video(video)
            except MediaInspectionTimeout:
                assert wall_clock_s < 1
    assert children() == before


def test_a_child_leaves_nothing_to_the_next() -> None:
    child = "sys.argv.append('left'); print('ready', flush=True); os._exit(len(sys.argv))"
    with inspector_of(child) as inspector:
        for _ in range(2):
            with pytest.raises(MediaInspectorUnavailable, match="ended with 2 "):  # "-c" and its own
                inspector.inspect_video(b"a file")


def test_a_killed_host_is_started_again(video: bytes) -> None:
    with MediaInspector(limits=MediaLimits(wall_clock_s=20)) as inspector:
        before = children()
        first = inspector.inspect_video(video)
        (host,) = children() - before
        os.kill(int(host), signal.SIGKILL)
        os.waitid(os.P_PID, int(host), os.WEXITED | os.WNOWAIT)
        assert inspector.inspect_video(video) == first
        assert len(children() - before) == 1
    assert children() == before


def test_a_grandchild_does_not_stay_behind(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    child = f"""
        if os.fork() == 0:
            open({str(grandchild)!r} + "-", "w").write(str(os.getpid()))
            os.rename({str(grandchild)!r} + "-", {str(grandchild)!r})
            time.sleep(30)
        time.sleep(30)
    """
    for wall_clock_s in (0.5, 5, 15):  # on a busy machine it takes a while to be there
        assert isinstance(outcome(child, wall_clock_s=wall_clock_s), MediaInspectionTimeout)
        if grandchild.exists():
            break
    _see_it_end(int(grandchild.read_text()))


def test_a_grandchild_does_not_outlive_a_child_that_ends_by_itself() -> None:
    child = """
        grandchild = os.fork()
        if grandchild == 0:
            os.close(1)
            time.sleep(30)
        print("ready")
        print(json.dumps({"broken": str(grandchild)}), flush=True)
        os._exit(0)
    """
    error = outcome(f"import json\n{textwrap.dedent(child)}")
    _see_it_end(int(str(error).rpartition(" ")[2]))


def test_a_child_that_stops_itself_does_not_stay_behind(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    child = f"""
        open({str(stopped)!r}, "w").write(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    for wall_clock_s in (0.5, 5, 15):
        assert isinstance(outcome(child, wall_clock_s=wall_clock_s), MediaInspectionTimeout)
        if stopped.exists():
            break
    _see_it_end(int(stopped.read_text()))


def _see_it_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not is_gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
