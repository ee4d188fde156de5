// The Vercel AI SDK against a gateway, by the adapter of docs/examples. Prints what came of it as one JSON object.
import * as ai from 'ai'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createBickfordSora } from './bickford-sora.mjs'

const { experimental_generateVideo, experimental_getVideoStatus, experimental_startVideo } = ai
const { BASE_URL: baseURL, API_KEY: apiKey, PICTURE } = process.env
const keys = []
const noted = (url, init) => {
  if (init.method === 'POST') keys.push(new Headers(init.headers).get('idempotency-key'))
  return fetch(url, init)
}
/** Lets the server do its work and loses the first answer, as a broken connection would. */
let lost = false
const losing = async (url, init) => {
  const answer = await noted(url, init)
  if (init.method === 'POST' && !lost) {
    lost = true
    throw new TypeError('connection lost')
  }
  return answer
}
const ask = { prompt: 'A paper boat', resolution: '720x1280', duration: 4 }
const told = {}

const model = createBickfordSora({ baseURL, apiKey, fetch: losing }).video('sora-2')
const started = await experimental_startVideo({ model, ...ask })
told.operation = started.operation
told.keys = [...keys]
for (;;) {
  const status = await experimental_getVideoStatus(model, { operation: started.operation })
  if (status.status !== 'pending') {
    told.ended = { status: status.status, types: status.videos?.map((each) => each.type), error: status.error }
    break
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
}
const plain = createBickfordSora({ baseURL, apiKey, fetch: noted }).video('sora-2')
const { video } = await experimental_generateVideo({ model: plain, ...ask, poll: { intervalMs: 100 } })
told.file = { bytes: video.uint8Array.byteLength, mediaType: video.mediaType }
told.allKeys = keys
told.refused = await experimental_startVideo({ model: plain, ...ask, duration: 5, maxRetries: 0 }).catch((error) => ({
  raised: error.message,
}))

/** What a start with a picture gave: the SDK hands bytes over as they are, and a link as a link. */
async function pictured(image) {
  const prompt = { image, text: 'She turns around' }
  return experimental_startVideo({ model: plain, ...ask, prompt, maxRetries: 0 }).then(
    ({ operation }) => operation,
    (error) => ({ raised: error.message }),
  )
}
const picture = await readFile(PICTURE)
told.pictured = await pictured(new Uint8Array(picture))
let fetched = 0
const pictures = createServer((_, answer) => {
  fetched += 1
  answer.writeHead(200, { 'content-type': 'image/png' }).end(picture)
})
await new Promise((resolve) => pictures.listen(0, '127.0.0.1', resolve))
told.linked = await pictured(`http://127.0.0.1:${pictures.address().port}/first.png`)
told.fetched = fetched
pictures.close()
told.calls = Object.keys(ai).filter((name) => /video/i.test(name))
console.log(JSON.stringify(told))
