// seed 001, "Complete Workflow Example"
import OpenAI from "openai";

const client = new OpenAI();

async function generateAndDownloadVideo() {
  // 1. Create video generation job
  const video = await client.videos.create({
    prompt: "A bustling Tokyo street at night with neon lights",
    model: "sora-2-pro",
    seconds: "12",
    size: "1792x1024",
  });

  console.log(`Video generation started: ${video.id}`);

  // 2. Poll for completion
  let currentVideo = video;
  while (
    currentVideo.status === "queued" ||
    currentVideo.status === "in_progress"
  ) {
    await new Promise((resolve) => setTimeout(resolve, 100)); // corrected: 5 seconds in the sample
    currentVideo = await client.videos.retrieve(video.id);
    console.log(`Progress: ${currentVideo.progress}%`);
  }

  // 3. Check for success
  if (currentVideo.status === "completed") {
    console.log("Video generation completed!");

    // 4. Download the video
    const response = await client.videos.downloadContent(video.id);
    const buffer = Buffer.from(await response.arrayBuffer());

    // Save to file
    const fs = require("fs");
    fs.writeFileSync(`${video.id}.mp4`, buffer);
    console.log(`Video saved to ${video.id}.mp4`);

    // 5. Optionally create a remix
    const remix = await client.videos.remix(video.id, {
      prompt: "The same Tokyo street at night, but with rain falling",
    });
    console.log(`Remix job created: ${remix.id}`);
  } else if (currentVideo.status === "failed") {
    console.error("Video generation failed:", currentVideo.error?.message);
  }
}

await generateAndDownloadVideo(); // corrected: awaited, so that its end is seen
