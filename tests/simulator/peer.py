"""A simulator of some flavour, asked by plain HTTP as that server's clients would."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from bickford_sora.simulator import Fault, FaultKind, SimulatorServer

WAIT_S = 60.0
KEY = "sk-simulator"
SMALL = {"model": "sora-2", "seconds": "1", "size": "128x96"}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.01)


@dataclass
class Peer:
    """A server of a flavour and the calls to it. `form` and `json` are what a create is sent as."""

    server: SimulatorServer
    http: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        if self.server.simulator.settings.flavour == "azure":
            return {"api-key": KEY}
        return {"authorization": f"Bearer {KEY}"}

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = self.headers | given.pop("headers", {})
        return self.http.request(method, f"{self.server.url}{path}", headers=headers, **given)

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.call("GET", path, **given)

    def form(self, path: str = "/videos", **fields: Any) -> httpx.Response:
        """Sends a form; what is a tuple is a file."""
        parts = {name: given if isinstance(given, tuple) else (None, str(given)) for name, given in fields.items()}
        return self.call("POST", path, files=parts)

    def json(self, path: str = "/videos", **fields: Any) -> httpx.Response:
        return self.call("POST", path, json=fields)

    def create(self, **fields: Any) -> dict[str, Any]:
        """A job that was taken, asked for as this server wants it."""
        if self.server.simulator.settings.flavour == "openrouter":
            asked = {"model": "sora-2", "duration": 1, "size": "128x96"}
            answer = self.json(**{"prompt": "A kite", **asked, **fields})
        else:
            answer = self.form(**{"prompt": "A kite", **SMALL, **fields})
        assert answer.status_code in {200, 202}, answer.text
        taken: dict[str, Any] = answer.json()
        return taken

    def ended(self, job_id: str) -> httpx.Response:
        """The answer about a job once it has ended."""
        deadline = time.monotonic() + WAIT_S
        while True:
            answer = self.get(f"/videos/{job_id}")
            if answer.json()["status"] in {"completed", "failed", "cancelled", "expired"}:
                return answer
            assert time.monotonic() < deadline, "the job did not end"
            time.sleep(0.02)

    def made(self, **fields: Any) -> dict[str, Any]:
        """A completed job."""
        completed: dict[str, Any] = self.ended(self.create(**fields)["id"]).json()
        assert completed["status"] == "completed"
        return completed

    def failed(self, **fault: Any) -> httpx.Response:
        """The answer about a job that has failed."""
        self.strikes(FaultKind.JOB_FAILS, **fault)
        return self.ended(self.create()["id"])

    def film(self, job_id: str, **params: Any) -> bytes:
        answer = self.get(f"/videos/{job_id}/content", params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4"), answer.text
        return answer.content

    def strikes(self, kind: FaultKind, **given: Any) -> None:
        self.server.simulator.faults.add(Fault(kind=kind, **given))

    def job(self, job_id: str) -> dict[str, Any]:
        """What the control route tells of a job."""
        answer = self.http.get(f"{self.server.control_url}/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def bill(self) -> dict[str, Any]:
        told: dict[str, Any] = self.http.get(f"{self.server.control_url}/billing").json()
        return told
