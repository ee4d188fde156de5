"""What a renderer was sent, read back from its bytes."""

import json
from email.parser import BytesParser
from typing import Any


def parts_of(request: bytes) -> dict[str, tuple[str | None, str, bytes]]:
    """Name to (filename, content type, content) of a multipart request."""
    head, _, body = request.partition(b"\r\n\r\n")
    message = BytesParser().parsebytes(b"\r\n".join(head.split(b"\r\n")[1:]) + b"\r\n\r\n" + body)
    assert message.get_content_type() == "multipart/form-data"
    return {
        part.get_param("name", header="content-disposition"): (
            part.get_filename(),
            part.get("content-type", ""),
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    }


def fields_of(request: bytes) -> dict[str, str]:
    """The plain fields of a multipart request."""
    return {name: content.decode() for name, (file, _, content) in parts_of(request).items() if file is None}


def json_of(request: bytes) -> Any:
    """The body of a JSON request."""
    head, _, body = request.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    return json.loads(body)


def target_of(request: bytes) -> str:
    """Method and path with the query."""
    method, path, _ = request.split(b" ", 2)
    return f"{method.decode()} {path.decode()}"
