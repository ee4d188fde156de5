"""`bickford-sora demo`: the main job on a stage of its own, with nothing to install or configure."""

import json
import signal
import sys
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from bickford_sora.client.models import SoraVideo
from bickford_sora.demo.stage import Stage, set_stage
from bickford_sora.demo.story import Report, Story
from bickford_sora.settings import Settings
from bickford_sora.telemetry import configure_logging
from ledger.events import RenderIntent

TABLE_CHARS = 118
"""Width of the table of facts; a narrower terminal wraps it."""


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until interrupted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Tell the main job as a story: three renders, a killed worker, repeated webhooks, a replay. Exit 0 if all held."""
    configure_logging(None, "error")
    settings = Settings()
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "demo", "database_url": None})
    console = Console(stderr=as_json, soft_wrap=True)
    with set_stage(settings) as stage, _narrator(console, quiet=as_json) as narrator:
        report = Story(stage, narrator).play()
        if isinstance(narrator, _Bars):
            narrator.stop()
        if as_json:
            sys.stdout.write(json.dumps(_as_json(report)) + "\n")
            sys.stdout.flush()
        else:
            _print(console, stage, report)
        if keep:
            _stay(console, stage)
    raise typer.Exit(0 if report.held else 1)


class _Lines:
    """The story as plain lines: one for each step and each change of status."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._statuses: dict[str, str] = {}

    def say(self, text: str) -> None:
        """One step of the story."""
        if not self._quiet:
            self._console.print(text)

    def progress(self, name: str, video: SoraVideo) -> None:
        """Says when a status changed."""
        if self._statuses.get(name) != video.status:
            self._statuses[name] = video.status
            self.say(f"  {name}: {video.status}")

    def replayed(self, done: int, total: int) -> None:
        """Says when the replay is done."""
        if done == total:
            self.say(f"  replayed {total} events")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Bars(_Lines):
    """The story on a terminal: a bar for each render."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, quiet=False)
        columns = (TextColumn("  {task.description:<10}"), BarColumn(32), TextColumn("{task.fields[status]}"))
        self._bars = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def progress(self, name: str, video: SoraVideo) -> None:
        """Moves the render's bar."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=100, status="")
        self._bars.update(self._tasks[name], completed=video.progress, status=video.status)

    def replayed(self, done: int, total: int) -> None:
        """Moves the replay's bar."""
        if "replay" not in self._tasks:
            self._tasks["replay"] = self._bars.add_task("replay", total=max(total, 1), status="")
        self._bars.update(self._tasks["replay"], completed=done, status=f"{done} of {total} events")

    def stop(self) -> None:
        """Leaves the bars as they are."""
        self._bars.stop()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def _narrator(console: Console, *, quiet: bool) -> _Lines:
    return _Bars(console) if console.is_terminal and not quiet else _Lines(console, quiet=quiet)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "held": report.held,
        "renders": report.renders,
        "events": report.events,
        "stored": report.stored,
        "failed": report.failed,
        "duplicate_webhooks_ignored": report.duplicate_webhooks_ignored,
        "billed": report.billed,
        "replay_equal": report.replay_equal,
        "elapsed_s": round(report.elapsed_s, 2),
        "video_id": report.video_id,
        "video_path": str(report.video_path),
        "checks": [{"promise": each.promise, "kept": each.kept, "seen": each.seen} for each in report.checks],
    }


def _print(console: Console, stage: Stage, report: Report) -> None:
    console.print(f"\nThe ledger of [bold]{report.video_id}[/]")
    facts = Table("position", "at", "fact", "by", "", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in facts.columns:
        column.no_wrap = True
    for event in report.history:
        at = event.context.occurred_at.strftime("%H:%M:%S.%f")[:-3]
        facts.add_row(str(event.position), at, event.fact.TYPE, event.context.actor, _detail(event.fact))
    console.print(facts, crop=False, width=TABLE_CHARS)
    console.print()
    for check in report.checks:
        mark = "[green]held[/]  " if check.kept else "[red]BROKEN[/]"
        console.print(f"{mark} {check.promise} [dim]({check.seen})[/]", highlight=False)
    console.print(
        f"\n{report.renders} renders, {report.events} facts, {report.billed} jobs billed, "
        f"{report.duplicate_webhooks_ignored} repeated webhooks ignored, {report.elapsed_s:.1f} s.",
        highlight=False,
    )
    console.print(f"The video: {report.video_path}", soft_wrap=True, highlight=False)
    console.print("Try next:")
    for command in _next_commands(report):
        console.print(f"  BICKFORD_DATA_DIR={stage.folder} {command}", soft_wrap=True, highlight=False)


def _next_commands(report: Report) -> tuple[str, str, str]:
    return (
        f"bickford-sora history {report.video_id}",
        "bickford-sora audit --type webhook.received",
        "bickford-sora replay videos",
    )


def _detail(fact: object) -> str:
    shown = {
        key: value
        for key, value in getattr(fact, "__dict__", {}).items()
        if key in {"progress", "job_id", "code", "attempt", "remix_video_id"} and value is not None
    }
    if isinstance(fact, RenderIntent):
        shown = {"model": fact.model, "seconds": fact.seconds, "size": fact.size}
    return " ".join(f"{key}={value}" for key, value in shown.items())


def _stay(console: Console, stage: Stage) -> None:
    """Keeps serving, with a worker, until interrupted."""
    stage.workers.start()
    console.print(f"\nServing at {stage.url}/v1 with key {stage.folder / 'keys' / 'api.key'}. Ctrl-C ends it.")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
