"""Clients of several kinds that go on until they are answered, and remember everything that was acknowledged."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from urllib.parse import urlsplit

import httpx
import openai

from tests.crash.site import KEY, SIZE

TRY_S = 3.0
"""Longest wait for one answer, in seconds."""
PAUSE_S = 0.02
"""Between two tries, in seconds."""
GIVES_UP_S = 180.0
"""A client that is not answered for so long says so, in seconds."""


@dataclass
class Memory:
    """What clients were told. The ledger has to know all of it."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """The video's id by the Idempotency-Key it was asked for with."""
    contradicted: list[str] = field(default_factory=list)
    """Keys that were answered with two videos."""
    refused: list[str] = field(default_factory=list)
    """Answers that no client should have had."""
    tries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def was_told(self, key: str, video_id: str) -> None:
        """A 2xx answer."""
        with self.lock:
            if self.acknowledged.setdefault(key, video_id) != video_id:
                self.contradicted.append(key)


class Raw:
    """HTTP as it is, to one server after the other; every second request is sent once more after its answer."""

    name = "raw"

    def __init__(self, urls: Sequence[str], memory: Memory) -> None:
        self._urls = cycle(urls)
        self._memory = memory
        # Each try has a connection of its own. Not a client of its own: to make one takes 30 ms of a processor, which
        # those who are started again need themselves.
        self._http = httpx.Client(timeout=TRY_S, limits=httpx.Limits(max_keepalive_connections=0))
        self.tries: list[str] = []
        """What became of each, where, and how long it took, the last first: for whoever asks where the seconds went."""

    def create(self, key: str, prompt: str) -> str | None:
        """One try: the video's id, None when there was no 2xx."""
        url, began = next(self._urls), time.monotonic()
        video_id, what = self._create(url, key, prompt)
        self.tries.insert(0, f"{urlsplit(url).port} {what} {time.monotonic() - began:.2f} s")
        return video_id

    def _create(self, url: str, key: str, prompt: str) -> tuple[str | None, str]:
        headers = {"authorization": f"Bearer {KEY}", "idempotency-key": key}
        body = {"prompt": prompt, "model": "sora-2", "seconds": "1", "size": SIZE}
        try:
            answer = self._http.post(f"{url}/videos", json=body, headers=headers)
        except httpx.HTTPError as error:
            return None, type(error).__name__
        if answer.is_success:
            return str(answer.json()["id"]), "2xx"
        if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR and answer.status_code != httpx.codes.CONFLICT:
            self._memory.refused.append(f"{answer.status_code} {answer.text[:200]}")
        return None, str(answer.status_code)


class Package:
    """The openai package, with retries of its own."""

    name = "openai"

    def __init__(self, urls: Sequence[str], memory: Memory) -> None:
        self._clients = cycle(
            [openai.OpenAI(base_url=url, api_key=KEY, max_retries=1, timeout=TRY_S) for url in urls],
        )
        self._memory = memory

    def create(self, key: str, prompt: str) -> str | None:
        """One call: the video's id, None when it failed."""
        client = next(self._clients)
        try:
            video = client.videos.create(
                prompt=prompt,
                model="sora-2",
                seconds="1",  # type: ignore[arg-type]
                size=SIZE,  # type: ignore[arg-type]
                extra_headers={"idempotency-key": key},
            )
        except openai.APIConnectionError:
            return None
        except openai.APIStatusError as error:
            if error.status_code < httpx.codes.INTERNAL_SERVER_ERROR and error.status_code != httpx.codes.CONFLICT:
                self._memory.refused.append(f"{error.status_code} {error.message[:200]}")
            return None
        return video.id


Kind = Callable[[Sequence[str], Memory], "Raw | Package"]


class Crowd:
    """Clients in threads, each asking for videos at a pace."""

    def __init__(
        self, urls: Sequence[str], memory: Memory, kinds: Sequence[Kind], *, pause_s: float, seed: int
    ) -> None:
        self._memory = memory
        self._stop = threading.Event()
        self._pause_s = pause_s
        self._threads = [
            threading.Thread(target=self._run, args=(kind(urls, memory), number, random.Random(seed + number)))  # noqa: S311 - a storm that can be repeated
            for number, kind in enumerate(kinds)
        ]

    def start(self) -> None:
        """They begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """They finish what they have begun: nobody goes away without an answer."""
        self._stop.set()
        for each in self._threads:
            each.join()

    def _run(self, client: Raw | Package, number: int, chance: random.Random) -> None:
        for turn in count():
            if self._stop.is_set():
                return
            key = f"{client.name}-{number}-{turn}"
            insist(client, key, f"storm {key}", self._memory)
            if turn % 2:  # an impatient client: the answer may have been lost on its way
                insist(client, key, f"storm {key}", self._memory)
            self._stop.wait(self._pause_s * (0.5 + chance.random()))


def insist(client: Raw | Package, key: str, prompt: str, memory: Memory) -> float:
    """Sends until there is a 2xx. Returns how long that took, in seconds."""
    began = time.monotonic()
    while time.monotonic() - began < GIVES_UP_S:
        with memory.lock:
            memory.tries += 1
        video_id = client.create(key, prompt)
        if video_id is not None:
            memory.was_told(key, video_id)
            return time.monotonic() - began
        time.sleep(PAUSE_S)
    memory.refused.append(f"{key} was not answered for {GIVES_UP_S} s")
    return GIVES_UP_S
