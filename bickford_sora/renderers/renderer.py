"""A renderer that is asked over HTTP, whatever its dialect: calls, and how each answer is sorted."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import NoReturn, TypeVar

from bickford_sora.renderers import outcomes
from bickford_sora.renderers.dialect import Dialect, Request, job_path
from bickford_sora.renderers.elsewhere import NotAllowed
from bickford_sora.renderers.errors import JobGone, ReadFailed, Refused, UnknownOutcome
from bickford_sora.renderers.port import Capabilities, Character, Content, Deletion, JobNews, Order, Upload, Variant
from bickford_sora.renderers.retry_after import read_poll_after_s
from bickford_sora.renderers.transport import (
    ERROR_BODY_BYTES_MAX,
    Answer,
    AnswerTooLarge,
    FilePart,
    NoAnswer,
    NotSent,
    StreamedAnswer,
    TooLate,
    Transport,
    read_at_most,
)
from bickford_sora.renderers.wire import JOBS_MAX, JobPage, NonsenseAnswer, read_character, read_deleted, read_job
from ledger.clock import Clock

LIST_S_MAX = 1800.0
"""Longest time a list is gone through, in seconds: a task that takes longer than an hour counts as lost."""
UNSUPPORTED = "unsupported_by_renderer"
_TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_NO_SUCH_METHOD = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_KEY_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ANSWERED = frozenset({*range(200, 300), *range(400, 500)}) - _KEY_REFUSED
"""Whoever says one of these is there and lets us in."""

Made = TypeVar("Made")


class HttpRenderer:
    """A renderer that is asked over HTTP. Its duties are those of `port.Renderer`.

    Args:
        dialect: what it speaks.
        name: the renderer's configured name.
        credential: public name of the credential that `transport` holds.
        transport: where the renderer is and how it is called; the caller closes it.
        clock: reads a Retry-After that is a date.
        capabilities: what its configuration leaves of the dialect's.
        absence_proves: False where several processes with jobs of their own share one address.
        submit_timeout_s: longest wait for the answer to a submit.
        pages_max: a list of more pages is an error.
        reference_bytes_max: a larger reference image is refused before anything is sent.
        source_bytes_max: a larger video is refused before anything is sent.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        name: str,
        credential: str,
        transport: Transport,
        clock: Clock,
        capabilities: Capabilities,
        absence_proves: bool = True,
        submit_timeout_s: float = 60.0,
        pages_max: int = 1_000,
        reference_bytes_max: int = 20 * 1024 * 1024,
        source_bytes_max: int = 512 * 1024 * 1024,
    ) -> None:
        self.dialect = dialect
        self.name = name
        self.credential = credential
        self.replica = transport.base_url
        self.absence_proves = absence_proves and dialect.absence_proves and capabilities.lists
        self.capabilities = capabilities
        self._transport = transport
        self._clock = clock
        self._submit_timeout_s = submit_timeout_s
        self._pages_max = pages_max
        self._reference_bytes_max = reference_bytes_max
        self._source_bytes_max = source_bytes_max

    def submit(self, order: Order) -> JobNews:
        """Ask for a video, once; see the port."""
        if not _can_make(self.capabilities, order):
            raise Refused(UNSUPPORTED, terminal=True)
        request = self.dialect.request(order, self._part)
        answer = self._post(request, order.idempotency_key, sent_by=order.sent_by)
        # From here on the renderer has answered; a crash before the answer is recorded leaves the outcome unknown.
        made = self._made(answer, self._news, from_source=request.names_job)
        return replace(made, job_id=self.dialect.completed_id(order, made.job_id))

    def create_character(self, name: str, video: Upload, *, idempotency_key: str) -> Character:
        """Make a character; see the port."""
        if not self.capabilities.characters:
            raise Refused(UNSUPPORTED, terminal=True)
        request = Request("/videos/characters", form={"name": name}, files=(self._part("video", video),))
        answer = self._post(request, idempotency_key, sent_by=None)
        return self._made(answer, lambda made: read_character(made.body, name=name), from_source=False)

    def status(self, job_id: str) -> JobNews:
        """Ask how a job stands; see the port."""
        answer = self._read("GET", job_path(job_id))
        if answer.status != HTTPStatus.OK:
            failed = self._failed_job(answer, job_id)
            if failed is None:
                raise outcomes.of_read(self._error(answer))
            return failed
        try:
            news = self._news(answer)
        except NonsenseAnswer:
            _nonsense(answer)
        if not self.dialect.same_job(job_id, news.job_id):
            _nonsense(answer)  # news of another job must never be taken for this one's
        return replace(news, job_id=job_id, ask_after_s=read_poll_after_s(answer.headers, self._clock()))

    def jobs(self) -> Iterator[JobNews]:
        """Every job, through all pages; see the port."""
        if not self.capabilities.lists:
            raise ReadFailed("renderer_list_unsupported")
        after: str | None = None
        seen: set[str] = set()
        gives_up_at = time.monotonic() + LIST_S_MAX
        for _ in range(self._pages_max):
            page = self._page(after)
            fresh = [job for job in page.jobs if job.job_id not in seen]
            seen.update(job.job_id for job in fresh)
            yield from fresh
            if page.next_after is None:
                return
            if not fresh or page.next_after == after or len(seen) > JOBS_MAX or time.monotonic() > gives_up_at:
                raise ReadFailed("renderer_list_endless")
            after = page.next_after
        raise ReadFailed("renderer_list_endless")

    @contextmanager
    def content(self, job_id: str, variant: Variant, output: int = 0) -> Generator[Content, None, None]:
        """Open one of a job's files; see the port."""
        if variant not in self.capabilities.variants or (output > 0 and "n" not in self.capabilities.fields):
            raise ReadFailed(UNSUPPORTED)
        params = self.dialect.content_params(variant, output)
        with _reads_sorted(), self._transport.stream(job_path(job_id, "/content"), params) as answer:
            if answer.status == HTTPStatus.OK:
                yield _content(answer)
                return
            error = self._streamed_error(answer)
        url = self.dialect.elsewhere(error.message)
        if url is None:
            raise outcomes.of_content(error)
        with self._elsewhere(url) as content:
            yield content

    def delete(self, job_id: str) -> Deletion:
        """Ask the renderer to stop and forget a job; see the port."""
        if not self.capabilities.deletes:
            return "unsupported"
        answer = self._read("DELETE", job_path(job_id))
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

    def probe(self) -> None:
        """Ask whether the process is there; see the port."""
        is_list = self.dialect.probe_path == "/videos"
        bytes_max = self._transport.limits.list_bytes_max if is_list else None
        answer = self._read("GET", self.dialect.probe_path, {"limit": "1"} if is_list else None, bytes_max=bytes_max)
        if answer.status not in _ANSWERED:
            raise outcomes.of_list(self._error(answer), first_page=False)

    def _post(self, request: Request, idempotency_key: str, *, sent_by: datetime | None) -> Answer:
        """The one request of a submit."""
        try:
            return self._transport.request(
                "POST",
                request.path,
                form=request.form,
                files=request.files,
                json=request.json,
                headers={"idempotency-key": idempotency_key},
                timeout_s=self._submit_timeout_s,
                is_too_late=None if sent_by is None else lambda: self._clock() > sent_by,
            )
        except TooLate:
            raise Refused("submission_too_late", terminal=False) from None
        except NotSent as failure:
            raise Refused("renderer_unreachable", terminal=False) from failure
        except NoAnswer as failure:
            raise UnknownOutcome("renderer_no_answer") from failure

    def _made(self, answer: Answer, read: Callable[[Answer], Made], *, from_source: bool) -> Made:
        """What was made by a POST."""
        if answer.status in _TAKEN:
            try:
                return read(answer)
            except NonsenseAnswer:
                raise UnknownOutcome("renderer_answer_invalid", http_status=answer.status) from None
        refusals = self.dialect.refusals
        raise outcomes.of_submit(self._error(answer), from_source=from_source, refusals=refusals)

    def _part(self, name: str, upload: Upload) -> FilePart:
        """A file in memory, read before anything is sent, so that a failing read cannot leave a half request."""
        is_video = upload.media_type.startswith("video/")
        bytes_max = self._source_bytes_max if is_video else self._reference_bytes_max
        opened = upload.open()
        content = read_at_most([opened] if isinstance(opened, bytes) else opened, bytes_max + 1)
        if len(content) > bytes_max:
            raise Refused("source_too_large" if is_video else "reference_too_large", terminal=True)
        return FilePart(name, upload.filename, upload.media_type, content)

    def _failed_job(self, answer: Answer, job_id: str) -> JobNews | None:
        """The job, where an error status only says that it failed."""
        if not self.dialect.fails_by_status:
            return None
        try:
            news = self._news(answer)
        except NonsenseAnswer:
            return None
        return news if news.status == "failed" and news.job_id == job_id else None

    def _read(
        self, method: str, path: str, params: dict[str, str] | None = None, *, bytes_max: int | None = None
    ) -> Answer:
        with _reads_sorted():
            return self._transport.request(method, path, params=params, bytes_max=bytes_max)

    def _page(self, after: str | None) -> JobPage:
        size = self.dialect.list_page_size
        paging = {} if size is None else {"limit": str(size)}
        cursor = {} if after is None else {"after": after}
        params = {**paging, "order": "desc", **cursor}
        answer = self._read("GET", "/videos", params, bytes_max=self._transport.limits.list_bytes_max)
        if answer.status != HTTPStatus.OK:
            raise outcomes.of_list(self._error(answer), first_page=after is None)
        try:
            return JobPage(answer.body)
        except NonsenseAnswer:
            _nonsense(answer)

    @contextmanager
    def _elsewhere(self, url: str) -> Generator[Content, None, None]:
        """A file that the renderer has put somewhere else."""
        try:
            with _reads_sorted(), self._transport.stream_elsewhere(url) as answer:
                if answer.status != HTTPStatus.OK:
                    raise outcomes.of_content(self._streamed_error(answer))
                yield _content(answer)
        except NotAllowed:
            raise ReadFailed("renderer_asset_elsewhere") from None

    def _streamed_error(self, answer: StreamedAnswer) -> outcomes.ErrorAnswer:
        body = read_at_most(answer.chunks, ERROR_BODY_BYTES_MAX)
        return self._error(Answer(answer.status, answer.headers, body))

    def _news(self, answer: Answer) -> JobNews:
        news = read_job(answer.body)
        redacted = self._transport.redacted
        return replace(
            news,
            error_code=redacted(news.error_code),
            error_message=redacted(news.error_message),
            cost_micro=news.cost_micro if self.dialect.tells_cost else None,
        )

    def _error(self, answer: Answer) -> outcomes.ErrorAnswer:
        error = outcomes.read_error_answer(answer, now=self._clock())
        redacted = self._transport.redacted
        return replace(error, renderer_code=redacted(error.renderer_code), message=redacted(error.message))


def _can_make(can: Capabilities, order: Order) -> bool:
    """Whether an order is within the capabilities, and its source at hand."""
    if not order.fields.keys() <= can.fields:
        return False
    source = order.source
    match order.operation:
        case "create":
            return True
        case "remix":
            routed = can.remix == "route" and source is not None and source.job_id is not None
            shown = can.remix == "video_reference" and source is not None and source.video is not None
            return routed or shown
        case "edit":
            return can.edits and source is not None
        case "extend":
            return can.extensions and source is not None


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


def _content(answer: StreamedAnswer) -> Content:
    given = answer.headers.get("content-length", "")
    length = int(given) if given.isascii() and given.isdigit() else None
    return Content(answer.headers.get("content-type"), length, _download(answer))


def _download(answer: StreamedAnswer) -> Iterator[bytes]:
    with _reads_sorted():
        yield from answer.chunks


def _nonsense(answer: Answer) -> NoReturn:
    raise ReadFailed("renderer_answer_invalid", http_status=answer.status) from None
