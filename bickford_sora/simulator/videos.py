"""The Videos API as the simulator speaks it (videos-api.md 1.1 to 1.4)."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from bickford_sora.simulator.bodies import Fields, described
from bickford_sora.simulator.connection import TruncatedResponse
from bickford_sora.simulator.content import serve_bytes
from bickford_sora.simulator.faults import FaultKind, Operation
from bickford_sora.simulator.intake import SourceRequest, check_character, check_edit, check_extend, check_remix
from bickford_sora.simulator.interference import strike_after, strike_before
from bickford_sora.simulator.jobs import Call, Job
from bickford_sora.simulator.problems import EXPIRED_MESSAGE, Problem, invalid
from bickford_sora.simulator.scene import Scene
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.simulator import Simulator
from bickford_sora.simulator.sources import Clip

Check = Callable[[Fields, SimulatorSettings], SourceRequest]


class Make(Protocol):
    """Makes a job from a source's scene."""

    def __call__(self, source: Scene, asked: SourceRequest, *, call: Call) -> Job:
        """The accepted job."""


class VideosApi:
    """The handlers of ``/videos``. Every one lets planned faults strike before and after it does its work."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._flavour = simulator.flavour

    async def create(self, request: Request) -> Response:
        """``POST /videos``, multipart or JSON."""
        fields = await self._flavour.read(request)
        prompt = str(fields.get("prompt", ""))
        if struck := await strike_before(self._simulator, Operation.CREATE, prompt):
            return struck
        asked = await asyncio.to_thread(self._flavour.check_create, fields)
        job = self._simulator.create(asked, call=_call(request, fields))
        return await strike_after(self._simulator, Operation.CREATE, prompt, self._flavour.taken(job))

    async def remix(self, request: Request, video_id: str) -> Response:
        """``POST /videos/{id}/remix``, JSON or multipart; the source must be completed."""
        fields = await self._flavour.read(request)
        prompt = str(fields.get("prompt", ""))
        if struck := await strike_before(self._simulator, Operation.REMIX, prompt):
            return struck
        prompt = check_remix(fields)
        source = self._known(video_id)
        if source.status != "completed":
            raise invalid("Only a completed video can be remixed.", param="video_id", code="video_not_completed")
        job = self._simulator.remix(source, prompt, call=_call(request, fields))
        return await strike_after(self._simulator, Operation.REMIX, prompt, self._flavour.taken(job))

    async def edit(self, request: Request) -> Response:
        """``POST /videos/edits``, multipart or JSON; the source is a file or a completed video."""
        return await self._from_source(request, Operation.EDIT, check_edit, self._simulator.edit)

    async def extend(self, request: Request) -> Response:
        """``POST /videos/extensions``, as edits."""
        return await self._from_source(request, Operation.EXTEND, check_extend, self._simulator.extend)

    async def create_character(self, request: Request) -> Response:
        """``POST /videos/characters``, multipart: a name and a video file."""
        fields = await self._flavour.read(request)
        if struck := await strike_before(self._simulator, Operation.CHARACTER, str(fields.get("name", ""))):
            return struck
        asked = await asyncio.to_thread(check_character, fields, self._simulator.settings)
        made = JSONResponse(self._simulator.create_character(asked.name).as_character())
        return await strike_after(self._simulator, Operation.CHARACTER, asked.name, made)

    async def character(self, character_id: str) -> Response:
        """``GET /videos/characters/{id}``."""
        known = self._simulator.registry.character(character_id)
        if known is None:
            raise Problem(404, f"Character with id '{character_id}' not found.", code="character_not_found")
        return JSONResponse(known.as_character())

    async def _from_source(self, request: Request, operation: Operation, check: Check, make: Make) -> Response:
        fields = await self._flavour.read(request)
        prompt = str(fields.get("prompt", ""))
        if struck := await strike_before(self._simulator, operation, prompt):
            return struck
        asked = await asyncio.to_thread(check, fields, self._simulator.settings)
        source = self._scene_of(asked.source)
        job = make(source, asked, call=_call(request, fields))
        return await strike_after(self._simulator, operation, prompt, self._flavour.taken(job))

    def _scene_of(self, source: Clip | str) -> Scene:
        if isinstance(source, Clip):
            return self._simulator.scene_of_clip(source)
        known = self._known(source)
        if known.status != "completed":
            raise invalid("The source must be a completed video.", param="video", code="video_not_completed")
        return known.scene

    async def retrieve(self, video_id: str) -> Response:
        """``GET /videos/{id}``."""
        prompt = self._prompt_of(video_id)
        if struck := await strike_before(self._simulator, Operation.RETRIEVE, prompt):
            return struck
        answer = self._flavour.retrieved(self._known(video_id))
        return await strike_after(self._simulator, Operation.RETRIEVE, prompt, answer)

    async def list_page(self, request: Request) -> Response:
        """``GET /videos?after&limit&order``."""
        if struck := await strike_before(self._simulator, Operation.LIST, ""):
            return struck
        answer = JSONResponse(self._flavour.listed(self._simulator.registry, request.query_params))
        return await strike_after(self._simulator, Operation.LIST, "", answer)

    async def models(self) -> Response:
        """The models on offer, where a server lists them: ``GET /models``, or wherever its flavour has it."""
        offered = [{"id": name, "object": "model"} for name in self._simulator.settings.models]
        return JSONResponse({"object": "list", "data": offered})

    async def delete(self, video_id: str) -> Response:
        """``DELETE /videos/{id}``."""
        prompt = self._prompt_of(video_id)
        if struck := await strike_before(self._simulator, Operation.DELETE, prompt):
            return struck
        job = self._known(video_id)
        self._flavour.check_delete(job)
        self._simulator.registry.delete(video_id, stop=self._flavour.stops_deleted)
        return await strike_after(self._simulator, Operation.DELETE, prompt, JSONResponse(self._flavour.deleted(job)))

    async def content(self, request: Request, video_id: str) -> Response:
        """``GET /videos/{id}/content``: one of its files, whole or in part."""
        prompt = self._prompt_of(video_id)
        if struck := await strike_before(self._simulator, Operation.CONTENT, prompt):
            return struck
        job = self._known(video_id)
        content, media_type = self._flavour.file(job, request.query_params, is_expired=self._is_expired(job))
        if self._simulator.faults.take(FaultKind.DOWNLOAD_TRUNCATED, Operation.CONTENT, prompt):
            return TruncatedResponse(content, media_type=media_type)
        answer = serve_bytes(content, media_type=media_type, range_header=request.headers.get("range"))
        return await strike_after(self._simulator, Operation.CONTENT, prompt, answer)

    def _known(self, video_id: str) -> Job:
        job = self._simulator.registry.get(video_id)
        if job is None:
            raise self._flavour.no_such_job(video_id)
        return job

    def _prompt_of(self, video_id: str) -> str:
        job = self._simulator.registry.get(video_id)
        return job.scene.prompt if job else ""

    def _is_expired(self, job: Job) -> bool:
        fault = self._simulator.faults.take(FaultKind.ASSET_EXPIRED, Operation.CONTENT, job.scene.prompt)
        if fault is not None and fault.status is not None:
            raise Problem(fault.status, EXPIRED_MESSAGE, code="video_expired")
        is_past = job.expires_at is not None and self._simulator.clock().timestamp() >= job.expires_at
        return is_past or fault is not None


def _call(request: Request, fields: Fields) -> Call:
    return Call(request.headers.get("idempotency-key"), described(fields))
