// seed 002, "Start a render job": as it is
import OpenAI from 'openai';

const openai = new OpenAI();

const video = await openai.videos.create({
  model: 'sora-2',
  prompt: "A video of the words 'Thank you' in sparkling letters",
});

console.log('Video generation started: ', video);
