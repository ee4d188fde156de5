// seed 001, "Video Remixing"
import OpenAI from "openai"; // corrected: the sample goes on from the one before
const client = new OpenAI();

// Create a remix with modified conditions
const remixedVideo = await client.videos.remix(process.env.VIDEO_ID!, { // corrected: "video_abc123" in the sample
  prompt:
    "The same mountain landscape at sunset, but now with dramatic lightning in the sky",
});

console.log(`Remix job created: ${remixedVideo.id}`);
console.log(`Remixed from: ${remixedVideo.remixed_from_video_id}`);
