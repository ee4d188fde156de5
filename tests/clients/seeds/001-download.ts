// seed 001, "Video Download"
import OpenAI from "openai"; // corrected: the sample goes on from the one before
const client = new OpenAI();

// Download the generated video
const response = await client.videos.downloadContent(process.env.VIDEO_ID!, { // corrected: "video_abc123" in the sample
  variant: "video",
});

// Save to file (Node.js)
const fs = require("fs");
const buffer = Buffer.from(await response.arrayBuffer());
fs.writeFileSync("output.mp4", buffer);

// Download thumbnail
const thumbnail = await client.videos.downloadContent(process.env.VIDEO_ID!, { // corrected: "video_abc123" in the sample
  variant: "thumbnail",
});
