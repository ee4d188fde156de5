// seed 004, "With Manual Polling and Progress Updates"
import OpenAI from 'openai'; // corrected: the sample leaves it out

async function generateVideoWithProgress(prompt: string, onProgress: (progress: number) => void) {
  const openai = new OpenAI({
    apiKey: process.env.OPEN_API_KEY,
  });

  // Start generation
  let video = await openai.videos.create({
    model: 'sora-2',
    prompt: prompt,
  });

  // Poll until complete
  while (video.status === 'in_progress' || video.status === 'queued') {
    video = await openai.videos.retrieve(video.id);

    if (video.progress) {
      onProgress(video.progress);
    }

    await new Promise(resolve => setTimeout(resolve, 100)); // corrected: 2 seconds in the sample
  }

  if (video.status === 'failed') {
    throw new Error('Video generation failed');
  }

  // Download the completed video
  const content = await openai.videos.downloadContent(video.id);
  return content;
}

await generateVideoWithProgress('A serene mountain landscape', console.log); // corrected: the sample does not call it
