"""All commands, and what becomes of their errors. A command is imported when it is the one that is run."""

import gc
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from keyword import iskeyword

import typer

from bickford_sora.cli import INTERRUPTED, leave

COMMANDS: Mapping[str, str] = {
    "demo": "Tell the main job as a story.",
    "serve": "Serve the Videos API until interrupted.",
    "worker": "Work on renders without serving, until interrupted.",
    "simulator": "Serve a stand-in renderer, for development and tests only.",
    "renderers": "Look after the renderers.",
    "policy": "Look after the policy.",
    "render": "Ask a running server for a video.",
    "videos": "Work with the videos of a running server.",
    "queue": "Show which renders wait for a renderer, at which place, and why.",
    "endpoints": "Work with the webhook endpoints of a running server.",
    "approvals": "Approve or deny renders that a running server holds.",
    "unknown": "Decide about unknown outcomes and lost jobs of a running server.",
    "budgets": "Work with the budgets of a running server.",
    "prices": "Show what renders cost on a running server.",
    "spend": "Report what a running server's renders cost.",
    "erase": "Erase a render, or all of a requester, for good.",
    "erasures": "Look after the list of erasures that is kept apart from the database.",
    "holds": "Work with the legal holds of a running server.",
    "changes": "Agree to what another admin of a running server wants to change.",
    "keys": "Work with the API keys of a running server.",
    "review": "Say what a video is like, or show what was said of it.",
    "watch": "Follow a video to its end, or every fact as it is recorded, without polling.",
    "history": "Show every fact of one render, from the ledger.",
    "audit": "Search all facts: who did what, when, and because of what.",
    "checkpoint": "Take, show and list checkpoints, and look after their key.",
    "proof": "Prove that a fact is in the ledger.",
    "verify": "Reread the whole ledger and hold it to its tree and its checkpoints.",
    "replay": "Rebuild read models from the ledger, beside the live ones.",
    "export": "Write facts in a file that others can read, check and import.",
    "import": "Read an export into a ledger without facts: the same bytes, positions and root.",
    "auditor": "Write the program that checks a ledger's files without this one: a single file for Python alone.",
    "segments": "Move payloads of old facts into files, and look after these.",
    "projections": "Look after the read models.",
    "doctor": "Say what is wrong with this installation and what to do.",
    "database": "Run PostgreSQL's own programs on the database that is used here.",
    "migrate": "Update the database's schema, and say what protects it.",
    "bench": "Measure this machine: ours beside a baseline.",
    "version": "Show the version.",
}
"""Each command's first line of help. The command `name` is the function, or the group, `name` in `cli/<name>.py`; with
an underscore behind it where Python has that word for itself."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command line. Returns its exit status."""
    asked = next((each for each in arguments if not each.startswith("-")), None)
    try:
        app = application(asked)
        gc.enable()  # the command line's start switches it off
        if signal.getsignal(signal.SIGINT) is leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(args=[*arguments], prog_name="bickford-sora")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where an error can be put into words
        from bickford_sora.cli.problems import explained  # noqa: PLC0415 - only needed when something is wrong

        print(explained(error), file=sys.stderr)
        return 1
    return 0


def application(asked: str | None) -> typer.Typer:
    """The application, with the command `asked` imported and the others known by name and help alone."""
    app = typer.Typer(
        help="The Videos API, governed, on a ledger that can be checked.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_nothing)
    for name, help_line in COMMANDS.items():
        if name != asked:
            app.command(name, help=help_line)(_nothing)
            continue
        command = find_command(name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def find_command(name: str) -> typer.Typer | Callable[..., None]:
    """The function or group of a command, imported."""
    word = f"{name}_" if iskeyword(name) else name
    command: typer.Typer | Callable[..., None] = getattr(import_module(f"bickford_sora.cli.{word}"), word)
    return command


def _nothing() -> None:
    """What is not run does nothing."""
