// TanStack AI against a gateway: the flow of its documentation. Prints what came of it as one JSON object.
import * as ai from '@tanstack/ai'
import { createOpenaiVideo } from '@tanstack/ai-openai'
import { readFile } from 'node:fs/promises'

const { generateVideo, getVideoJobStatus } = ai
const { BASE_URL: baseURL, API_KEY, PICTURE } = process.env
const adapter = createOpenaiVideo('sora-2', API_KEY, { baseURL, maxRetries: 0 })
const told = {}

const { jobId, model } = await generateVideo({ adapter, prompt: 'A cat playing piano', size: '1280x720', duration: 4 })
told.created = { jobId, model }
told.seen = []
for (;;) {
  const result = await getVideoJobStatus({ adapter, jobId })
  told.seen.push(result.status)
  if (result.status === 'completed' || result.status === 'failed') {
    told.ended = { ...result, url: result.url?.slice(0, 300), expiresAt: result.expiresAt?.toISOString() }
    const answer = result.url && (await fetch(result.url))
    told.file = answer && { status: answer.status, bytes: (await answer.arrayBuffer()).byteLength }
    break
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
}
told.unknown = await getVideoJobStatus({ adapter, jobId: 'video_unknown' }).catch((error) => ({ raised: error.message }))
told.refused = await generateVideo({ adapter, prompt: '', duration: 4 }).catch((error) => ({ raised: error.message }))
const value = (await readFile(PICTURE)).toString('base64')
const image = { type: 'image', source: { type: 'data', value, mimeType: 'image/png' } }
const prompt = [{ type: 'text', content: 'She turns around' }, image]
told.pictured = await generateVideo({ adapter, prompt, size: '720x1280', duration: 4 }).catch((error) => ({
  raised: error.message,
}))
const defaultHeaders = { 'Idempotency-Key': 'tanstack-1' }
const keyed = createOpenaiVideo('sora-2', API_KEY, { baseURL, maxRetries: 0, defaultHeaders })
told.keyed = []
for (let times = 0; times < 2; times++) {
  told.keyed.push((await generateVideo({ adapter: keyed, prompt: 'Once', duration: 4 })).jobId)
}
told.calls = Object.keys(ai).filter((name) => /video/i.test(name))
told.asks = Object.getOwnPropertyNames(Object.getPrototypeOf(adapter)).filter((name) => /video/i.test(name))
console.log(JSON.stringify(told))
