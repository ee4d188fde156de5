"""The least that a durable answer takes: a FastAPI route with one INSERT. It verifies and follows nothing.

`python -m tests.benchmarks.bare_insert PORT DATABASE_URL`
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from psycopg_pool import AsyncConnectionPool

CONNECTIONS = 16


def _app(url: str) -> FastAPI:
    pool = AsyncConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False, kwargs={"autocommit": True})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            async with pool.connection() as connection:
                await connection.execute(
                    "create table bare (id bigint generated always as identity primary key, body bytea)"
                )
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def ready() -> str:
        return "ready"

    @app.post("/")
    async def take(request: Request) -> str:
        async with pool.connection() as connection:
            await connection.execute("insert into bare (body) values (%b)", (await request.body(),), prepare=True)
        return "taken"

    return app


if __name__ == "__main__":
    uvicorn.run(_app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
