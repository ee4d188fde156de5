// seed 004, "Generate Video", method 1
import OpenAI from 'openai';

const openai = new OpenAI({
  apiKey: process.env.OPEN_API_KEY,
});

// corrected: the npm package has no createAndPoll; what it would do
async function createAndPoll(asked: OpenAI.VideoCreateParams) {
  let video = await openai.videos.create(asked);
  while (video.status === 'queued' || video.status === 'in_progress') {
    await new Promise((resolve) => setTimeout(resolve, 100));
    video = await openai.videos.retrieve(video.id);
  }
  return video;
}

const video = await createAndPoll({
  model: 'sora-2',
  prompt: "Your video description prompt here",
});

if (video.status === 'completed') {
  console.log('Video successfully completed:', video);
}
