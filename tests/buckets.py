"""A server that speaks S3, with a bucket under object lock, on a socket of this machine."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from threading import Thread
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "log-of-others"
KEY = "testing-key"

Start = Callable[..., Any]


@dataclass
class Bucket:
    """What others own: a bucket whose versions nobody removes for a day, and what was called."""

    endpoint: str
    client: Any
    calls: list[tuple[str, str]] = field(default_factory=list)

    def versions(self, prefix: str) -> dict[str, list[bytes]]:
        """The contents of every version of every object below a prefix, oldest first."""
        found: dict[str, list[bytes]] = {}
        for each in reversed(self._versions(prefix)):
            body = self.client.get_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])["Body"]
            found.setdefault(each["Key"].removeprefix(prefix), []).append(body.read())
        return found

    def remove_all(self, prefix: str) -> list[str]:
        """Tries to remove every version as who has every right. Why it could not, by version."""
        return [
            self._refusal(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
            for each in self._versions(prefix)
        ]

    def _refusal(self, **version: str) -> str:
        try:
            self.client.delete_object(**version)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "removed"

    def _versions(self, prefix: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.client.list_object_versions(Bucket=BUCKET, Prefix=prefix).get(
            "Versions", []
        )
        return listed


class _Silent(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


class _AsAws:
    """The S3 server with the rule that AWS has for object lock: what is put comes with a checksum, and a right one."""

    def __init__(self, calls: list[tuple[str, str]]) -> None:
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self._calls = calls

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        self._calls.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if checksum is not None:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            if base64.b64decode(checksum) != hashlib.sha256(body).digest():
                start("400 Bad Request", [])
                return [b"<Error><Code>BadDigest</Code></Error>"]
            environ["wsgi.input"] = BytesIO(body)
            # The server asks for the name of the algorithm, where AWS is content with the checksum itself.
            environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = "SHA256"
        answered: Iterable[bytes] = self._s3(environ, start)
        return answered


@contextmanager
def bucket_under_lock() -> Iterator[Bucket]:
    """Such a bucket, for as long as it is needed."""
    calls: list[tuple[str, str]] = []
    server = make_server("127.0.0.1", 0, _AsAws(calls), request_handler=_Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=KEY
    )
    try:
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        locked = {"ObjectLockEnabled": "Enabled", "Rule": retention}
        client.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=locked)
        yield Bucket(endpoint, client, calls)
    finally:
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()
