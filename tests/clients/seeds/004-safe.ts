// seed 004, "With Error Handling (Full Example)"
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

async function generateVideoSafe(prompt: string) {
  try {
    console.log('Starting video generation...');

    const video = await createAndPoll({
      model: 'sora-2',
      prompt: prompt,
    });

    if (video.status !== 'completed') {
      throw new Error(`Video generation failed with status: ${video.status}`);
    }

    console.log('Video completed, downloading content...');

    const content = await openai.videos.downloadContent(video.id);
    const arrayBuffer = await content.arrayBuffer();
    const buffer = Buffer.from(arrayBuffer);

    return {
      success: true,
      videoBuffer: buffer,
      videoId: video.id,
      model: video.model,
    };
  } catch (error: any) {
    console.error('Video generation failed:', error);
    return {
      success: false,
      error: error.message,
    };
  }
}

const made = await generateVideoSafe('A serene mountain landscape'); // corrected: the sample does not call it
if (!made.success) throw new Error(made.error);
