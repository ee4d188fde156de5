"""An endpoint that keeps every webhook it is sent."""

import base64
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WAIT_S = 60.0


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class WebhookReceiver:
    """Answers 200, or first the statuses in `answers`, one for each delivery."""

    def __init__(self) -> None:
        self.secret = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, always").decode()
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.answer_headers: dict[str, str] = {}
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def wait_for(self, count: int) -> list[Received]:
        deadline = time.monotonic() + WAIT_S
        with self._arrived:
            while len(self.received) < count:
                assert self._arrived.wait(deadline - time.monotonic()), f"{len(self.received)} of {count} arrived"
            return list(self.received)

    def verify(self, received: Received) -> Any:
        return Webhook(self.secret).verify(received.body, received.headers)

    def is_genuine(self, received: Received) -> bool:
        try:
            self.verify(received)
        except WebhookVerificationError:
            return False
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._arrived:
                    receiver.received.append(Received(headers, body))
                    status = receiver.answers.pop(0) if receiver.answers else 200
                    receiver._arrived.notify_all()
                self.send_response(status)
                self.send_header("content-length", "0")
                for name, value in receiver.answer_headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
