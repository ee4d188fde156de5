"""A server that speaks S3, with a bucket, on a socket of this machine.

It takes a second to import, so that only the processes that run its tests do.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from threading import Thread
from typing import Any

KEY = "testing-key"
REGION = "us-east-1"

Start = Callable[..., Any]

_numbers = count()


@dataclass
class Bucket:
    """One bucket, and who has every right to it."""

    name: str
    endpoint: str
    client: Any

    def url(self, prefix: str) -> str:
        """The address of a place in it."""
        return f"s3://{self.name}/{prefix}"

    def environment(self) -> dict[str, str]:
        """The variables with which it is reached."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": REGION,
        }

    def versions(self, prefix: str) -> dict[str, list[bytes]]:
        """The contents of every version of every object below a prefix, oldest first."""
        found: dict[str, list[bytes]] = {}
        for each in reversed(self._versions(prefix)):
            body = self.client.get_object(Bucket=self.name, Key=each["Key"], VersionId=each["VersionId"])["Body"]
            found.setdefault(each["Key"].removeprefix(prefix), []).append(body.read())
        return found

    def put(self, name: str, content: bytes) -> None:
        """Puts an object there, over whatever has this name."""
        self.client.put_object(Bucket=self.name, Key=name, Body=content)

    def mark(self, name: str) -> None:
        """Marks an object; who writes over it takes the mark away."""
        self.client.put_object_tagging(Bucket=self.name, Key=name, Tagging={"TagSet": [{"Key": "mark", "Value": "1"}]})

    def is_marked(self, name: str) -> bool:
        """Whether it is the object that was marked."""
        return bool(self.client.get_object_tagging(Bucket=self.name, Key=name)["TagSet"])

    def remove_all(self, prefix: str) -> list[str]:
        """Tries to remove every version as who has every right. Why it could not, by version."""
        return [self._refusal(each["Key"], each["VersionId"]) for each in self._versions(prefix)]

    def _refusal(self, key: str, version: str) -> str:
        try:
            self.client.delete_object(Bucket=self.name, Key=key, VersionId=version)
        except self.client.exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])
        return "removed"

    def _versions(self, prefix: str) -> list[dict[str, Any]]:
        listed = self.client.list_object_versions(Bucket=self.name, Prefix=prefix)
        versions: list[dict[str, Any]] = listed.get("Versions", [])
        return versions


class _AsAws:
    """The S3 server with the rule that AWS has for object lock: what is put comes with a checksum, and a right one."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415 - see above

        self._s3 = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
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
def s3_server() -> Iterator[tuple[str, Any]]:
    """The address of such a server and a client of it, for as long as they are needed."""
    import boto3  # noqa: PLC0415 - see above
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415 - as above

    class Silent(WSGIRequestHandler):
        def log(self, *_: object) -> None:
            pass

    server = make_server("127.0.0.1", 0, _AsAws(), threaded=True, request_handler=Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=KEY
    )
    try:
        yield endpoint, client
    finally:
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def plain_bucket() -> Iterator[Bucket]:
    """A bucket as S3 makes them, which keeps no versions, for as long as it is needed."""
    with s3_server() as (endpoint, client):
        name = f"assets-{next(_numbers)}"  # servers of one process share what they keep
        client.create_bucket(Bucket=name)
        yield Bucket(name, endpoint, client)


@contextmanager
def under_versions(bucket: Bucket) -> Iterator[None]:
    """The bucket keeps versions of what is put there in this block, and goes on to keep those afterwards."""
    set_to = bucket.client.put_bucket_versioning
    set_to(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    try:
        yield
    finally:
        set_to(Bucket=bucket.name, VersioningConfiguration={"Status": "Suspended"})


@contextmanager
def bucket_under_lock() -> Iterator[Bucket]:
    """A bucket whose versions nobody removes for a day, for as long as it is needed."""
    with s3_server() as (endpoint, client):
        name = f"log-of-others-{next(_numbers)}"
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        locked = {"ObjectLockEnabled": "Enabled", "Rule": retention}
        client.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=locked)
        yield Bucket(name, endpoint, client)
