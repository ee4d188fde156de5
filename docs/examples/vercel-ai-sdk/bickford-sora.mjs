/**
 * A video model for the Vercel AI SDK (`ai` 7) over any server that speaks the Videos API.
 *
 *     const sora = createBickfordSora({ baseURL: 'http://127.0.0.1:8000/v1', apiKey: process.env.BICKFORD_API_KEY })
 *     const { video } = await experimental_generateVideo({ model: sora.video('sora-2'), prompt: 'A red kite', duration: 4 })
 *
 * The SDK makes one `idempotency-key` for each start and sends it again with every retry; it is passed on, so that a
 * lost answer is never paid for twice.
 */

import { APICallError } from 'ai'

const PROVIDER = 'bickford-sora'

/** Where the server is, and the key to show it. */
export function createBickfordSora({ baseURL = 'http://127.0.0.1:8000/v1', apiKey, fetch = globalThis.fetch } = {}) {
  const server = { baseURL: baseURL.replace(/\/$/, ''), apiKey, fetch }
  return { video: (modelId) => videoModel(server, modelId) }
}

/** One model, as the SDK's `VideoModelV4`: start a job, ask how it stands. */
function videoModel(server, modelId) {
  return {
    specificationVersion: 'v4',
    provider: PROVIDER,
    modelId,
    maxVideosPerCall: 1,

    async doStart(options) {
      const { form, warnings } = createForm(modelId, options)
      const { body, response } = await call(server, modelId, 'POST', '/videos', options, form)
      return { operation: { videoId: body.id }, warnings, response, providerMetadata: { [PROVIDER]: { id: body.id } } }
    },

    async doStatus(options) {
      const path = `/videos/${encodeURIComponent(options.operation.videoId)}`
      const { body, response } = await call(server, modelId, 'GET', path, options)
      const providerMetadata = { [PROVIDER]: { id: body.id, progress: body.progress } }
      if (body.status === 'failed') {
        return { status: 'error', error: body.error?.message ?? 'The render failed.', response, providerMetadata }
      }
      if (body.status !== 'completed') {
        return { status: 'pending', response, providerMetadata }
      }
      const videos = [await finished(server, path, options)]
      return { status: 'completed', videos, warnings: [], response, providerMetadata }
    },
  }
}

/** The file itself: the SDK refuses to fetch links to private addresses, where a server of one's own often is. */
async function finished(server, path, options) {
  const answer = await request(server, 'GET', `${path}/content`, options)
  return { type: 'binary', data: new Uint8Array(await answer.arrayBuffer()), mediaType: 'video/mp4' }
}

/** The protocol's form, and what of the call it has no words for. */
function createForm(modelId, options) {
  const form = new FormData()
  form.set('model', modelId)
  form.set('prompt', options.prompt ?? '')
  if (options.duration !== undefined) form.set('seconds', String(options.duration))
  if (options.resolution !== undefined) form.set('size', options.resolution)
  // Fields beyond the protocol: the server refuses by name those that its renderers do not take.
  if (options.seed !== undefined) form.set('seed', String(options.seed))
  if (options.fps !== undefined) form.set('fps', String(options.fps))
  if (options.generateAudio !== undefined) form.set('generate_audio', String(options.generateAudio))
  for (const [name, value] of Object.entries(options.providerOptions?.[PROVIDER] ?? {})) {
    form.set(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  const first = options.frameImages?.find((each) => each.frameType === 'first_frame')?.image ?? options.image
  if (first) setReference(form, first)
  return { form, warnings: unsupported(options) }
}

function setReference(form, image) {
  if (image.type === 'url') {
    form.set('input_reference[image_url]', image.url)
    return
  }
  const bytes = typeof image.data === 'string' ? Buffer.from(image.data, 'base64') : image.data
  form.set('input_reference', new Blob([bytes], { type: image.mediaType }), `reference.${image.mediaType.split('/')[1]}`)
}

function unsupported(options) {
  const warnings = []
  const warn = (feature) => warnings.push({ type: 'unsupported', feature })
  if (options.aspectRatio !== undefined) warn('aspectRatio')
  if (options.inputReferences?.length) warn('inputReferences')
  if (options.frameImages?.some((each) => each.frameType === 'last_frame')) warn('last_frame')
  return warnings
}

async function call(server, modelId, method, path, options, body) {
  const answer = await request(server, method, path, options, body)
  const headers = Object.fromEntries(answer.headers)
  return { body: await answer.json(), response: { timestamp: new Date(), modelId, headers } }
}

async function request(server, method, path, { headers = {}, abortSignal } = {}, body = undefined) {
  const sent = new Headers({ authorization: `Bearer ${server.apiKey}` })
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) sent.set(name, value)
  }
  const url = `${server.baseURL}${path}`
  const answer = await server.fetch(url, { method, headers: sent, body, signal: abortSignal }).catch((cause) => {
    if (cause.name === 'AbortError') throw cause
    throw new APICallError({ message: `No answer: ${cause.message}`, url, requestBodyValues: {}, cause, isRetryable: true })
  })
  if (!answer.ok) throw await refused(answer, url)
  return answer
}

/** What the SDK needs to know of an error: whether the same call may be made again. */
async function refused(answer, url) {
  const text = await answer.text()
  let message = text
  try {
    message = JSON.parse(text).error.message
  } catch {
    // no JSON: a proxy spoke
  }
  const told = answer.headers.get('x-should-retry')
  const isRetryable = told ? told === 'true' : [408, 409, 429].includes(answer.status) || answer.status >= 500
  return new APICallError({ message, url, requestBodyValues: {}, statusCode: answer.status, responseBody: text, isRetryable })
}
