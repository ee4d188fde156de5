"""How the story is told while it happens: bars below the text on a terminal, plain lines elsewhere."""

from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from bickford_sora.client.models import SoraVideo

BAR_CHARS = 32
COLOURS = {"completed": "green", "failed": "red"}
"""Of the statuses that end a render."""


class Narrator(Protocol):
    """Whoever tells the story to a person, or to nobody."""

    def say(self, text: str) -> None:
        """One step of the story."""

    def progress(self, name: str, video: SoraVideo) -> None:
        """How a render stands."""


class Lines:
    """The story as plain lines: one for each step and each change of status."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._statuses: dict[str, str] = {}

    def say(self, text: str) -> None:
        """One step of the story."""
        if not self._quiet:
            self._console.print(escape(text), highlight=False)

    def progress(self, name: str, video: SoraVideo) -> None:
        """Says when a status changed."""
        if self._statuses.get(name) != video.status:
            self._statuses[name] = video.status
            self.say(f"  {name:<10} {video.status}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Bars(Lines):
    """The story on a terminal: the text above, and below it a bar for each render."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Progress(
            TextColumn("  {task.description:<10}"),
            BarColumn(BAR_CHARS, complete_style="cyan", finished_style="green"),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[status]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def progress(self, name: str, video: SoraVideo) -> None:
        """Moves the render's bar."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=100, status="")
        colour = COLOURS.get(video.status, "default")
        status = f"[{colour}]{escape(video.status)}[/]"
        self._bars.update(self._tasks[name], completed=video.progress, status=status)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def narrator(console: Console, *, quiet: bool) -> Lines:
    """What fits the console. A context manager; what is shown of bars stays when it is left."""
    return Bars(console) if console.is_terminal and not quiet else Lines(console, quiet=quiet)
