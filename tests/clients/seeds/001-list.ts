// seed 001, "Video Listing"
import OpenAI from "openai"; // corrected: the sample goes on from the one before
const client = new OpenAI();

// List recent video jobs
for await (const video of client.videos.list({ order: "desc", limit: 20 })) {
  console.log(`${video.id}: ${video.status} - ${video.prompt?.substring(0, 50)}`);
}
