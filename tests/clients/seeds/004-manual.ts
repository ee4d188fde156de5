// seed 004, "Generate Video", method 2, and "Download Video Content"
import OpenAI from 'openai';

const openai = new OpenAI({
  apiKey: process.env.OPEN_API_KEY,
});

// Start video generation
let video = await openai.videos.create({
  model: 'sora-2',
  prompt: "Your video description prompt here",
});

// Poll for completion
while (video.status === 'in_progress' || video.status === 'queued') {
  video = await openai.videos.retrieve(video.id);
  console.log('Progress:', video.progress);
  await new Promise(resolve => setTimeout(resolve, 100)); // corrected: 2 seconds in the sample
}

const content = await openai.videos.downloadContent(video.id);
const arrayBuffer = await content.arrayBuffer();
const buffer = Buffer.from(arrayBuffer);

// Save to file
const fs = require('fs'); // corrected: the sample leaves it out
fs.writeFileSync('video.mp4', buffer);
