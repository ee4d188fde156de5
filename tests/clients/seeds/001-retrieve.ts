// seed 001, "Video Retrieval"
import OpenAI from "openai"; // corrected: the sample goes on from the one before
const client = new OpenAI();

// Check video generation progress
const video = await client.videos.retrieve(process.env.VIDEO_ID!); // corrected: "video_abc123" in the sample

if (video.status === "completed") {
  console.log("Video generation complete!");
  console.log(`Downloadable until: ${new Date(video.expires_at! * 1000)}`);
} else if (video.status === "failed") {
  console.error("Generation failed:", video.error?.message);
}
