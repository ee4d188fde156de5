# seed 002, "Poll the status endpoint": as it is
import asyncio

from openai import AsyncOpenAI

client = AsyncOpenAI()

async def main() -> None:
    video = await client.videos.create_and_poll(
        model="sora-2",
        prompt="A video of a cat on a motorcycle",
    )

    if video.status == "completed":
        print("Video successfully completed: ", video)
    else:
        print("Video creation failed. Status: ", video.status)

asyncio.run(main())
