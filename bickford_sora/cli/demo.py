"""`bickford-sora demo`: the main job on a stage of its own, with nothing to install or configure."""

import json
import shlex
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bickford_sora.cli.address import address_left
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.demo.report import Report
from bickford_sora.demo.stage import Stage, StageTaken, set_stage
from bickford_sora.demo.story import Story
from bickford_sora.demo.telling import narrator
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging
from ledger.envelope import Event
from ledger.events import (
    RenderIntent,
    RenderProgress,
    RenderQueued,
    RenderRemixed,
    RenderStored,
    RenderSubmissionStarted,
)

ID_CHARS = 14
"""So much of an id is shown where nobody needs to copy it."""


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until interrupted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Tell the main job as a story: three renders, a killed worker, repeated webhooks, a replay. Exit 0 if all held."""
    configure_logging(None, "error")
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with SIGINT ignored
        signal.signal(ending, signal.default_int_handler)
    folder = Settings().data_dir.absolute() / "demo"
    console = Console(stderr=as_json, soft_wrap=True, highlight=False)
    try:
        held = _play(folder, console, keep=keep, as_json=as_json)
    except StageTaken:
        raise CommandRefused(
            f"Another demo plays in {folder}. Wait for its end, or choose another BICKFORD_DATA_DIR.",
            code="demo_running",
        ) from None
    except TimeoutError as error:
        raise CommandRefused(
            f"The story came to a halt: {error}. Look into {folder / 'worker.log'}, then try again.", code="demo_halted"
        ) from error
    raise typer.Exit(0 if held else 1)


def _play(folder: Path, console: Console, *, keep: bool, as_json: bool) -> bool:
    with set_stage(folder) as stage:
        with narrator(console, quiet=as_json) as told:
            report = Story(stage, told).play()
        if as_json:
            sys.stdout.write(json.dumps(_as_json(report)) + "\n")
            sys.stdout.flush()
        else:
            _print(console, stage, report)
        if keep:
            _stay(console, stage)
    return report.held


def _as_json(report: Report) -> dict[str, Any]:
    plain = {each.name: getattr(report, each.name) for each in fields(report) if each.name not in {"checks", "history"}}
    return {
        "held": report.held,
        **plain,
        "elapsed_s": round(report.elapsed_s, 2),
        "video_path": str(report.video_path),
        "checks": [{"promise": each.promise, "kept": each.kept, "seen": each.seen} for each in report.checks],
    }


def _print(console: Console, stage: Stage, report: Report) -> None:
    console.print(f"\nThe ledger of [bold]{report.video_id}[/], which is 'coupe':")
    began = report.history[0].context.occurred_at
    for event in report.history:
        after_s = (event.context.occurred_at - began).total_seconds()
        actor = _short(event.context.actor)
        detail = escape(_detail(event))
        console.print(
            f"  [dim]{after_s:6.2f} s[/]  {event.fact.TYPE:<25}  [dim]{actor:<{ID_CHARS}}[/]  {detail}".rstrip()
        )
    console.print()
    for check in report.checks:
        word = "[green]held[/]  " if check.kept else "[red]BROKEN[/]"
        console.print(f"{word}  {escape(check.promise)} [dim]({escape(check.seen)})[/]")
    console.print(
        f"\n{report.renders} renders, {report.refused} refused, {report.events} facts, {report.billed} jobs billed, "
        f"{report.duplicate_webhooks_ignored} repeated webhooks ignored, {report.elapsed_s:.1f} s."
    )
    console.print(f"The video is {escape(str(report.video_path))}")
    console.print("\nThree commands to try next:")
    for command in _next_commands(report):
        console.print(f"  {escape(_on(stage))} {escape(command)}")


def _next_commands(report: Report) -> tuple[str, str, str]:
    return (f"history {report.video_id}", "audit --type webhook.received", "replay videos")


def _on(stage: Stage) -> str:
    """How this program is run on the stage's folder: as it was now, which need not be on the PATH."""
    program = Path(sys.argv[0])
    run = f"{shlex.quote(sys.executable)} -m bickford_sora" if program.suffix == ".py" else shlex.quote(sys.argv[0])
    return f"BICKFORD_DATA_DIR={shlex.quote(str(stage.folder))} {run}"


def _detail(event: Event) -> str:
    """What a reader wants to see of a fact, in a few words."""
    match event.fact:
        case RenderIntent(model=model, seconds=seconds, size=size):
            detail = f"{model}, {seconds} s, {size}"
        case RenderSubmissionStarted(attempt=attempt):
            detail = f"attempt {attempt}"
        case RenderQueued(job_id=job_id):
            detail = f"job {_short(job_id)}"
        case RenderProgress(progress=progress):
            detail = f"{progress} %"
        case RenderStored(assets=assets):
            detail = f"{len(assets)} files, {sum(each.bytes for each in assets):,} bytes"
        case RenderRemixed(remix_video_id=remix):
            detail = f"as {_short(remix)}"
        case _:
            detail = ""
    return detail


def _short(text: str) -> str:
    return text if len(text) <= ID_CHARS else f"{text[: ID_CHARS - 1]}…"


def _stay(console: Console, stage: Stage) -> None:
    """Keeps serving, with a worker, until interrupted."""
    stage.workers.start()
    base_url = f"{stage.url}/v1"
    with address_left(stage.folder, base_url):
        console.print(f"\nServing at {base_url} with the key in {stage.folder / 'keys' / 'api.key'}; Ctrl-C ends it.")
        console.print(f"  {escape(_on(stage))} videos list")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
