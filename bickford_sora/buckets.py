"""Buckets: which addresses name one, and how one is opened. What opens one needs the extra `s3`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

EXTRA = "bickford-sora[s3]"
BUCKET_SCHEMES = frozenset({"s3", "gs", "az"})
"""How the address of a bucket begins."""
RETRIES_MAX = 2
"""How often one call is repeated after a failure that may pass."""
CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 30.0
"""Longest wait for an answer, or for more of one, in seconds. The bytes of a request are sent within it, too."""
CALL_S_MAX = 6 * 3600.0
"""Longest one call takes, in seconds: a large file whose reader is slow is one call."""
CAUSE_CHARS_MAX = 300


class BucketUnusable(Exception):  # noqa: N818 - the name states the cause
    """An address that is not a bucket's, or the extra for buckets is not installed. The message says what to do."""

    code = "bucket_unusable"


class BucketFailed(Exception):  # noqa: N818 - the name states the cause
    """A call of a bucket failed; the message is the first line of what is known. Whether it was carried out is not."""


def is_bucket(place: str) -> bool:
    """Whether this is the address of a bucket, and not a folder."""
    return "://" in place


def require_bucket(url: str) -> None:
    """Raises BucketUnusable for what is no bucket's address, and where the extra is missing."""
    if url.partition("://")[0] not in BUCKET_SCHEMES:
        raise BucketUnusable(f"{url!r} is not the address of a bucket. Give one such as s3://BUCKET/PREFIX.")
    try:
        import obstore  # noqa: F401, PLC0415 - whether the extra is installed
    except ImportError:
        raise BucketUnusable(f"A bucket needs the extra {EXTRA}: pip install '{EXTRA}'.") from None


def open_store(url: str, *, call_s_max: float = CALL_S_MAX) -> "ObjectStore":
    """The bucket at this address, which is not called yet. `call_s_max` is the longest that one call takes, in seconds.

    Credentials, region and endpoint come from the cloud's usual variables, which the library reads.
    Raises BucketUnusable, and BucketFailed for an address or credentials that cannot be read.
    """
    require_bucket(url)
    from obstore.store import S3Store, from_url  # noqa: PLC0415 - of the extra

    # Repeated by number and not by time: also what is read for hours goes on where it was broken off.
    retries: RetryConfig = {"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=call_s_max)}
    client: ClientConfig = {
        "allow_http": True,  # which is done only where the endpoint that is set begins with http://
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "read_timeout": timedelta(seconds=SILENCE_TIMEOUT_S),
        "timeout": timedelta(seconds=call_s_max),
    }
    with bucket_failures():
        if url.startswith("s3://"):
            # With object lock S3 refuses what comes without a checksum.
            sums: S3Config = {"checksum_algorithm": "sha256"}
            return S3Store.from_url(url, config=sums, client_options=client, retry_config=retries)
        return from_url(url, client_options=client, retry_config=retries)


@contextmanager
def bucket_failures() -> Iterator[None]:
    """Turns what goes wrong with a bucket into BucketFailed. FileNotFoundError too: the bucket itself is not there."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - of the extra

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise BucketFailed(str(error).partition("\n")[0][:CAUSE_CHARS_MAX]) from error
