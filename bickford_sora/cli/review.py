"""`bickford-sora review`."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import moment, note, print_fields, print_json, print_table
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.talking import server

Grade = Annotated[float | None, typer.Option(min=0, max=1, help="0 to 1.")]
_COLUMNS = ("verdict", "score", "clarity", "continuity", "brand_fit", "review_time_s", "reviewer", "notes")


def review(
    video_id: Annotated[str, typer.Argument(help="Id of the video.", metavar="ID")],
    *,
    verdict: Annotated[
        Literal["approved", "rejected"] | None, typer.Option(help="The judgement. Without it, the reviews are shown.")
    ] = None,
    clarity: Grade = None,
    continuity: Grade = None,
    brand_fit: Grade = None,
    minutes: Annotated[float | None, typer.Option(min=0, max=1440, help="How long the review took.")] = None,
    notes: Annotated[str | None, typer.Option(help="What else there is to say.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Say what a video is like, or show what was said of it."""
    place = f"/videos/{quote(video_id, safe='')}/reviews"
    grades = {
        "clarity": clarity,
        "continuity": continuity,
        "brand_fit": brand_fit,
        "review_time_minutes": minutes,
        "notes": notes,
    }
    given = {name: value for name, value in grades.items() if value is not None}
    if verdict is None and given:
        raise CommandRefused("Say --verdict approved or --verdict rejected with it.", code="missing_required_parameter")
    with server(url) as client:
        if verdict is None:
            _show_all(client.ask("GET", place), as_json=as_json)
        else:
            _show(client.ask("POST", place, json={"verdict": verdict, **given}), as_json=as_json)


def _show(made: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    shown = {name: value for name, value in made.items() if name not in {"object", "weights"}}
    print_fields({**shown, "created_at": moment(made["created_at"])})


def _show_all(page: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(page)
        return
    print_table(
        ("at", *_COLUMNS),
        ((moment(each["created_at"]), *(each[name] for name in _COLUMNS)) for each in page["data"]),
    )
    if not page["data"]:
        note("Nobody reviewed this video. Say --verdict, --clarity, --continuity, --brand-fit and --minutes.")
