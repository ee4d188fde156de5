# seed 003, "Async Usage": as it is
import asyncio

from openai import AsyncOpenAI


async def create_video():
    client = AsyncOpenAI()

    video = await client.videos.create(model="video-gen-1", prompt="A futuristic city")

    return video.id


video_id = asyncio.run(create_video())
