// seed 001, "Video Generation": as it is
import OpenAI from "openai";

const client = new OpenAI();

// Generate a 8-second video
const video = await client.videos.create({
  prompt: "A serene mountain landscape at sunset with clouds rolling over peaks",
  model: "sora-2",
  seconds: "8",
  size: "1280x720",
});

console.log(`Video job created: ${video.id}`);
console.log(`Status: ${video.status}`);
console.log(`Progress: ${video.progress}%`);
