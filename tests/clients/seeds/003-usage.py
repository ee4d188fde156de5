# seed 003, "Create and Poll", usage examples
from openai import OpenAI

client = OpenAI()

# Create video
video = client.videos.create(prompt="A serene mountain landscape at sunset", model="sora-2", seconds=5, size="720x1280")

print(f"Video ID: {video.id}")
print(f"Status: {video.status}")

# Create and wait for completion
video = client.videos.create_and_poll(prompt="Waves crashing on a beach", model="sora-2")

print(f"Final status: {video.status}")

if video.status == "completed" and video.url:
    print(f"Video URL: {video.url}")

# Check status
video = client.videos.retrieve(VIDEO_ID)  # corrected: "video_abc123" in the sample

# List videos
videos = client.videos.list(limit=10)
for video in videos.data:
    print(f"{video.id}: {video.status}")

# Delete video
result = client.videos.delete(DELETE_ID_4)  # corrected: "video_abc123" in the sample
print(f"Deleted: {result.deleted}")
