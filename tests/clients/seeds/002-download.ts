// seed 002, "Download the MP4"
import OpenAI from 'openai';

const openai = new OpenAI();

let video = await openai.videos.create({
  model: 'sora-2',
  prompt: "A video of the words 'Thank you' in sparkling letters",
});

console.log('Video generation started: ', video);
let progress = video.progress ?? 0;

while (video.status === 'in_progress' || video.status === 'queued') {
  video = await openai.videos.retrieve(video.id);
  progress = video.progress ?? 0;

  const barLength = 30;
  const filledLength = Math.floor((progress / 100) * barLength);
  const bar = '='.repeat(filledLength) + '-'.repeat(barLength - filledLength);
  const statusText = video.status === 'queued' ? 'Queued' : 'Processing';

  process.stdout.write(`${statusText}: [${bar}] ${progress.toFixed(1)}%`);

  await new Promise((resolve) => setTimeout(resolve, 100)); // corrected: 2 seconds in the sample
}

process.stdout.write('\n');

if (video.status === 'failed') {
  console.error('Video generation failed');
  process.exit(1);
}

console.log('Video generation completed: ', video);
console.log('Downloading video content...');

const content = await openai.videos.downloadContent(video.id);
const body = content.arrayBuffer();
const buffer = Buffer.from(await body);

require('fs').writeFileSync('video.mp4', buffer);

console.log('Wrote video.mp4');
