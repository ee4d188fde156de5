"""Pictures of every page, light and dark: `python -m tests.console.screenshots` writes them to docs/console.

The house in memory and a busy week in it; the pages are those of `PAGES`, a new page is a line there.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from PIL import Image

from bickford_sora.http.serving import ServerThread
from bickford_sora.telemetry import configure_logging
from tests.console.browsing import watched
from tests.console.busy_week import Week, a_busy_week
from tests.console.chromium import chromium, found
from tests.http.houses import KEY, ROOT_KEY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "console"
PICTURE_BYTES_MAX = 150_000
COLOURS = 192
WIDTH, HEIGHT = 1280, 860
MARGIN = 16
"""Below a page that is not as high as a picture, in pixels."""
SETTLED_MS = 400
"""How long a page is given to load its pictures and to say that it is live."""

Scheme = Literal["light", "dark"]


Who = Literal["nobody", "requester", "approver", "overseer"]
"""An overseer has the operator's key, which spans the tenant and has every role."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page that is shown."""

    name: str
    path: str
    """With `{finished}` where a finished render's id belongs, and `{batch}` for the address of a batch."""
    to: Who = "requester"


PAGES = (
    Shown("login", "/login", "nobody"),
    Shown("renders", "/renders"),
    Shown("render", "/renders/{finished}"),
    Shown("lineage", "/renders/{finished}/lineage"),
    Shown("new", "/new?prompt=A+red+kite+over+the+dunes,+first+light,+slow+push+in&seconds=8&model=sora-2"),
    Shown("new-batch", "/new/batch"),
    Shown("batches", "/batches"),
    Shown("batch", "{batch}"),
    Shown("approvals", "/approvals", "approver"),
    Shown("spend", "/spend", "overseer"),
    Shown("audit", "/audit", "overseer"),
    Shown("question", "/audit/questions/unused_keys", "overseer"),
    Shown("proof", "/audit/proof", "overseer"),
    Shown("health", "/health", "overseer"),
    Shown("unknown", "/unknown", "overseer"),
    Shown("policy", "/policy", "overseer"),
    Shown("policy-new", "/policy/new", "overseer"),
    Shown("policy-backtest", "/policy/backtest", "overseer"),
    Shown("settings", "/settings", "overseer"),
    Shown("settings-budgets", "/settings/budgets", "overseer"),
    Shown("settings-prices", "/settings/prices", "overseer"),
    Shown("settings-renderers", "/settings/renderers", "overseer"),
    Shown("settings-endpoints", "/settings/endpoints", "requester"),
)


def key_of(week: Week, who: Who) -> str | None:
    """The API key they sign in with."""
    return {"nobody": None, "requester": KEY, "approver": week.approver, "overseer": ROOT_KEY}[who]


def main() -> None:
    """Makes all of them. Needs the system's Chromium."""
    configure_logging(None, "error")
    path = found()
    assert path is not None, "install the package chromium"
    FOLDER.mkdir(exist_ok=True)
    week = a_busy_week()
    tide = week.kit.house.tide
    with ServerThread(week.kit.app, on_stopping=tide.closing.set) as server, chromium(path) as browser:
        for shown in PAGES:
            for scheme in get_args(Scheme):
                file = FOLDER / f"{shown.name}-{scheme}.png"
                file.write_bytes(_taken(browser, server.url, shown, scheme, week))
                sys.stdout.write(f"{file.name}: {file.stat().st_size:,} bytes\n")


def _taken(browser: "Browser", url: str, shown: Shown, scheme: Scheme, week: Week) -> bytes:
    look = {"color_scheme": scheme, "viewport": {"width": WIDTH, "height": HEIGHT}}
    with watched(browser, url, key=key_of(week, shown.to), **look) as visit:
        page = visit.open(shown.path.format(finished=week.finished, batch=week.batch))
        page.wait_for_timeout(SETTLED_MS)
        bottom = page.evaluate("(document.querySelector('footer') ?? document.body).getBoundingClientRect().bottom")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": min(HEIGHT, bottom + MARGIN)}
        taken = Image.open(io.BytesIO(page.screenshot(clip=clip)))
    return _small(taken)


def _small(picture: Image.Image) -> bytes:
    """The picture in few colours. Raises ValueError for one that is still too large."""
    target = io.BytesIO()
    picture.convert("RGB").quantize(COLOURS).save(target, "PNG", optimize=True)
    if target.tell() > PICTURE_BYTES_MAX:
        message = f"a picture of {target.tell():,} bytes: more than {PICTURE_BYTES_MAX:,}"
        raise ValueError(message)
    return target.getvalue()


if __name__ == "__main__":
    main()
