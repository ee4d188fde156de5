// seed 002, "Poll the status endpoint"
import OpenAI from 'openai';

const openai = new OpenAI();

// corrected: the npm package has no createAndPoll; what it would do
async function createAndPoll(asked: OpenAI.VideoCreateParams) {
  let video = await openai.videos.create(asked);
  while (video.status === 'queued' || video.status === 'in_progress') {
    await new Promise((resolve) => setTimeout(resolve, 100));
    video = await openai.videos.retrieve(video.id);
  }
  return video;
}

async function main() {
  const video = await createAndPoll({
    model: 'sora-2',
    prompt: "A video of the words 'Thank you' in sparkling letters",
  });

  if (video.status === 'completed') {
    console.log('Video successfully completed: ', video);
  } else {
    console.log('Video creation failed. Status: ', video.status);
  }
}

await main(); // corrected: awaited, so that its end is seen
