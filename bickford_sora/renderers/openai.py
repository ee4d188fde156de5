"""The protocol as OpenAI specified it (videos-api.md sections 1 to 3); the dialects of others differ from this one."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import quote

from bickford_sora.renderers import outcomes
from bickford_sora.renderers.errors import JobGone, ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.port import (
    Capabilities,
    Character,
    Content,
    Deletion,
    JobNews,
    Order,
    Source,
    Upload,
    Variant,
)
from bickford_sora.renderers.transport import (
    Answer,
    AnswerTooLarge,
    FilePart,
    NoAnswer,
    NotSent,
    StreamedAnswer,
    Transport,
    read_at_most,
)
from bickford_sora.renderers.wire import JobPage, NonsenseAnswer, read_deleted, read_job
from ledger.clock import Clock

LIST_PAGE_SIZE = 100
"""The protocol's largest `limit`."""
ERROR_BODY_BYTES_MAX = 64 * 1024
_TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_NO_SUCH_METHOD = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


CAPABILITIES = Capabilities(
    remix="route",
    edits=True,
    extensions=True,
    characters=True,
    lists=True,
    cancels=True,
    deletes=True,
    variants=frozenset({"video", "thumbnail", "spritesheet"}),
    keeps_idempotency_keys=False,
    calls_back=True,
    fields=frozenset(),
)


class OpenAIRenderer:
    """A renderer that speaks the Videos API as OpenAI specified it. Its duties are those of `port.Renderer`.

    Args:
        name: the renderer's configured name.
        credential: public name of the credential that `transport` holds.
        transport: where the renderer is and how it is called; the caller closes it.
        clock: reads a Retry-After that is a date.
        absence_proves: False where several processes with jobs of their own share one address.
        submit_timeout_s: longest wait for the answer to a submit.
        pages_max: a list of more pages is an error.
        reference_bytes_max: a larger reference image is refused before anything is sent.
    """

    def __init__(
        self,
        *,
        name: str,
        credential: str,
        transport: Transport,
        clock: Clock,
        absence_proves: bool = True,
        submit_timeout_s: float = 60.0,
        pages_max: int = 1_000,
        reference_bytes_max: int = 20 * 1024 * 1024,
    ) -> None:
        self.name = name
        self.credential = credential
        self.replica = transport.base_url
        self.absence_proves = absence_proves
        self.capabilities = CAPABILITIES
        self._transport = transport
        self._clock = clock
        self._submit_timeout_s = submit_timeout_s
        self._pages_max = pages_max
        self._reference_bytes_max = reference_bytes_max

    def submit(self, order: Order) -> JobNews:
        """Ask for a video, once; see the port."""
        try:
            answer = self._remix(order, order.source) if order.source else self._create(order)
        except NotSent as failure:
            raise Refused("renderer_unreachable", terminal=False) from failure
        except NoAnswer as failure:
            raise UnknownOutcome("renderer_no_answer") from failure
        # From here on the renderer has answered; a crash before the answer is recorded leaves the outcome unknown.
        if answer.status in _TAKEN:
            try:
                return self._news(answer)
            except NonsenseAnswer:
                raise UnknownOutcome("renderer_answer_invalid", http_status=answer.status) from None
        raise outcomes.of_submit(self._error(answer), remix=order.operation != "create")

    def status(self, job_id: str) -> JobNews:
        """Ask how a job stands; see the port."""
        answer = self._read("GET", _path(job_id))
        if answer.status != HTTPStatus.OK:
            raise outcomes.of_read(self._error(answer))
        try:
            news = self._news(answer)
        except NonsenseAnswer:
            _nonsense(answer)
        if news.job_id != job_id:
            _nonsense(answer)  # news of another job must never be taken for this one's
        return news

    def jobs(self) -> Iterator[JobNews]:
        """Every job, through all pages; see the port."""
        after: str | None = None
        seen: set[str] = set()
        for _ in range(self._pages_max):
            page = self._page(after)
            fresh = [job for job in page.jobs if job.job_id not in seen]
            seen.update(job.job_id for job in fresh)
            yield from fresh
            if page.next_after is None:
                return
            if not fresh or page.next_after == after:
                raise ReadFailed("renderer_list_endless")
            after = page.next_after
        raise ReadFailed("renderer_list_endless")

    @contextmanager
    def content(self, job_id: str, variant: Variant, output: int = 0) -> Generator[Content, None, None]:
        """Open one of a job's files; see the port."""
        with _reads_sorted(), self._transport.stream(_path(job_id, "/content"), {"variant": variant}) as answer:
            if answer.status != HTTPStatus.OK:
                body = read_at_most(answer.chunks, ERROR_BODY_BYTES_MAX)
                raise outcomes.of_content(self._error(Answer(answer.status, answer.headers, body)))
            yield Content(answer.headers.get("content-type"), _length(answer), _download(answer))

    def delete(self, job_id: str) -> Deletion:
        """Ask the renderer to stop and forget a job; see the port."""
        answer = self._read("DELETE", _path(job_id))
        if answer.status in _NO_SUCH_METHOD:
            return "unsupported"
        if answer.status == HTTPStatus.NO_CONTENT:
            return "deleted"
        if answer.status not in _TAKEN:
            error = outcomes.of_read(self._error(answer))
            if isinstance(error, JobGone):
                return "gone"
            raise error
        try:
            deleted = read_deleted(answer.body)
        except NonsenseAnswer:
            _nonsense(answer)
        if not deleted:
            raise ReadFailed("renderer_refused", http_status=answer.status)
        return "deleted"

    def create_character(self, name: str, video: Upload, *, idempotency_key: str) -> Character:
        """Make a character; see the port."""
        raise Refused("unsupported_by_renderer", terminal=True)

    def probe(self) -> None:
        """Ask whether the process is there; see the port."""
        self._page(None)

    def _create(self, order: Order) -> Answer:
        # multipart also without a file: it is what the protocol's own clients send, and vLLM-Omni takes nothing else
        return self._transport.request(
            "POST",
            "/videos",
            form={"model": order.model, "prompt": order.prompt, "seconds": order.seconds, "size": order.size},
            file=None if order.reference is None else self._file(order.reference),
            headers={"idempotency-key": order.idempotency_key},
            timeout_s=self._submit_timeout_s,
        )

    def _remix(self, order: Order, source: Source) -> Answer:
        if order.operation != "remix" or source.job_id is None:
            raise Refused("unsupported_by_renderer", terminal=True)
        return self._transport.request(
            "POST",
            _path(source.job_id, "/remix"),
            json={"prompt": order.prompt},
            headers={"idempotency-key": order.idempotency_key},
            timeout_s=self._submit_timeout_s,
        )

    def _file(self, reference: Upload) -> FilePart:
        """The reference in memory, read before anything is sent, so that a failing read cannot leave a half request."""
        opened = reference.open()
        content = read_at_most([opened] if isinstance(opened, bytes) else opened, self._reference_bytes_max + 1)
        if len(content) > self._reference_bytes_max:
            raise Refused("reference_too_large", terminal=True)
        return FilePart("input_reference", reference.filename, reference.media_type, content)

    def _read(self, method: str, path: str, params: dict[str, str] | None = None) -> Answer:
        with _reads_sorted():
            return self._transport.request(method, path, params=params)

    def _page(self, after: str | None) -> JobPage:
        cursor = {} if after is None else {"after": after}
        answer = self._read("GET", "/videos", {"limit": str(LIST_PAGE_SIZE), "order": "desc", **cursor})
        if answer.status != HTTPStatus.OK:
            raise outcomes.of_list(self._error(answer), first_page=after is None)
        try:
            return JobPage(answer.body)
        except NonsenseAnswer:
            _nonsense(answer)

    def _news(self, answer: Answer) -> JobNews:
        news = read_job(answer.body)
        redacted = self._transport.redacted
        return replace(news, error_code=redacted(news.error_code), error_message=redacted(news.error_message))

    def _error(self, answer: Answer) -> outcomes.ErrorAnswer:
        error = outcomes.read_error_answer(answer, now=self._clock())
        redacted = self._transport.redacted
        return replace(error, renderer_code=redacted(error.renderer_code), message=redacted(error.message))


@contextmanager
def _reads_sorted() -> Generator[None, None, None]:
    """Tell failures of the transport as those of a read, which may be repeated whatever happened to it."""
    try:
        yield
    except NotSent as failure:
        raise ReadFailed("renderer_unreachable") from failure
    except AnswerTooLarge as failure:
        raise ReadFailed("renderer_answer_too_large") from failure
    except NoAnswer as failure:
        raise ReadFailed("renderer_no_answer") from failure


def _download(answer: StreamedAnswer) -> Iterator[bytes]:
    with _reads_sorted():
        yield from answer.chunks


def _length(answer: StreamedAnswer) -> int | None:
    given = answer.headers.get("content-length", "")
    return int(given) if given.isascii() and given.isdigit() else None


def _path(job_id: str, rest: str = "") -> str:
    if job_id in {"", ".", ".."}:
        raise ValueError("not the id of a job")
    return f"/videos/{quote(job_id, safe='')}{rest}"


def _nonsense(answer: Answer) -> NoReturn:
    raise ReadFailed("renderer_answer_invalid", http_status=answer.status) from None
