# ruff: noqa: N818 - the names state the cause, as those of the ledger do
"""What can go wrong with a renderer, one tree by cause. Every error carries a stable `code`.

RendererError
├── Refused           of a submit: the renderer certainly did not take the job
├── UnknownOutcome    of a submit: the renderer may have taken, and billed, the job
├── ReadFailed        of any other call: no usable answer this time; ask again later
├── JobGone           the renderer answers that it does not know the job (any more)
├── AssetExpired      the job's file cannot be had (any more)
└── NotReady          the job's file is not made yet

Codes, of a submit or a read:
- nothing was sent: `renderer_unreachable`
- sent, no whole answer: `renderer_no_answer`, `renderer_answer_too_large`
- an answer that makes no sense: `renderer_answer_invalid`, `renderer_redirected`
- not now: `renderer_rate_limited`, `renderer_unavailable`, `renderer_conflict`, `renderer_error` (any other 5xx)
- not so: `renderer_unauthorized`, `renderer_not_enabled`, `renderer_payment_required`, `renderer_request_invalid`,
  `renderer_request_too_large`, `renderer_refused` (any other 4xx)
- nothing was sent because it could not be: `unsupported_by_renderer`
- not sent whole because it was too late: `submission_too_late`
- of one call only: `reference_too_large`, `source_too_large` and `renderer_source_gone` (submit),
  `renderer_list_unsupported` and `renderer_list_endless` (jobs), `renderer_job_gone`, `renderer_asset_expired`,
  `renderer_asset_missing`, `renderer_asset_elsewhere`, `renderer_asset_not_ready`
"""


class RendererError(Exception):
    """Anything that went wrong between us and a renderer.

    Its text holds the code and the HTTP status only, so that it may be logged.

    Attributes:
        code: stable name of the cause.
        http_status: of the renderer's answer; None when there was none.
        renderer_code: the renderer's own name of the cause, when it is a plain word.
        message: the renderer's own words, cut to a limit: untrusted free text, may quote a prompt. Never log it.
        retry_after_s: how long the renderer asks to be left alone.
    """

    def __init__(
        self,
        code: str,
        *,
        http_status: int | None = None,
        renderer_code: str | None = None,
        message: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code if http_status is None else f"{code} (HTTP {http_status})")
        self.code = code
        self.http_status = http_status
        self.renderer_code = renderer_code
        self.message = message
        self.retry_after_s = retry_after_s


class Refused(RendererError):
    """The renderer certainly did not take the job: nothing is rendered and nothing billed.

    Attributes:
        terminal: whether the same request would be refused again. If not, it may be submitted anew.
    """

    def __init__(
        self,
        code: str,
        *,
        terminal: bool,
        http_status: int | None = None,
        renderer_code: str | None = None,
        message: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(
            code,
            http_status=http_status,
            renderer_code=renderer_code,
            message=message,
            retry_after_s=retry_after_s,
        )
        self.terminal = terminal


class UnknownOutcome(RendererError):
    """The renderer may or may not have taken the job. Look for it before anything is sent again."""


class ReadFailed(RendererError):
    """No usable answer this time. Nothing is known about the job that was not known before; ask again later."""


class JobGone(RendererError):
    """The renderer answers that it does not know the job."""


class AssetExpired(RendererError):
    """The file cannot be had: its time is over, or the renderer lost it."""


class NotReady(RendererError):
    """The file is not made yet; ask again when the job is completed."""
