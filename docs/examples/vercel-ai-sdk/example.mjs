// BICKFORD_BASE_URL=http://127.0.0.1:8000/v1 BICKFORD_API_KEY=bk_live_… node example.mjs "A red kite over dunes"
import { writeFile } from 'node:fs/promises'
import { experimental_generateVideo as generateVideo } from 'ai'
import { createBickfordSora } from './bickford-sora.mjs'

const sora = createBickfordSora({ baseURL: process.env.BICKFORD_BASE_URL, apiKey: process.env.BICKFORD_API_KEY })
const { video } = await generateVideo({
  model: sora.video('sora-2'),
  prompt: process.argv[2] ?? 'A red kite over dunes',
  resolution: '1280x720',
  duration: 4,
})
await writeFile('video.mp4', video.uint8Array)
console.log(`video.mp4: ${video.uint8Array.byteLength} bytes`)
