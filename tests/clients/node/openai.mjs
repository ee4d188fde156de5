// The `openai` package for Node against a gateway. Prints what came of each call as one JSON object.
import OpenAI, { toFile } from 'openai'
import { readFile } from 'node:fs/promises'

const { BASE_URL: baseURL, API_KEY: apiKey, PICTURE } = process.env
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 })
const small = { seconds: '4', size: '720x1280' }
const told = {}

/** What a call gave, or the error it raised, under a name. */
async function tell(name, make) {
  try {
    told[name] = await make()
  } catch (error) {
    const { status, code, param, type, message, requestID } = error
    told[name] = { raised: error.constructor.name, status, code, param, type, message, requestID }
  }
  return told[name]
}

async function ended(id) {
  for (;;) {
    const video = await client.videos.retrieve(id)
    if (video.status !== 'queued' && video.status !== 'in_progress') return video
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const created = await tell('create', () => client.videos.create({ prompt: 'A red kite', model: 'sora-2', ...small }))
const done = await tell('retrieve', () => ended(created.id))
for (const variant of ['video', 'thumbnail', 'spritesheet']) {
  await tell(`content ${variant}`, async () => {
    const answer = await client.videos.downloadContent(done.id, { variant })
    return { type: answer.headers.get('content-type'), bytes: (await answer.arrayBuffer()).byteLength }
  })
}
const film = Buffer.from(await (await client.videos.downloadContent(done.id)).arrayBuffer())
const picture = await readFile(PICTURE)

await tell('create with a file', async () => {
  const input_reference = await toFile(picture, 'first.png', { type: 'image/png' })
  return client.videos.create({ prompt: 'She turns', input_reference, ...small })
})
await tell('create with a data URL', () => {
  const image_url = `data:image/png;base64,${picture.toString('base64')}`
  return client.videos.create({ prompt: 'She turns again', input_reference: { image_url }, ...small })
})
await tell('remix', () => client.videos.remix(done.id, { prompt: 'The same kite at night' }))
await tell('edit by id', () => client.videos.edit({ prompt: 'In winter', video: { id: done.id } }))
await tell('edit a file', async () => {
  return client.videos.edit({ prompt: 'In spring', video: await toFile(film, 'kite.mp4', { type: 'video/mp4' }) })
})
await tell('extend by id', () => client.videos.extend({ prompt: 'It flies on', seconds: '4', video: { id: done.id } }))
const character = await tell('create character', async () => {
  return client.videos.createCharacter({ name: 'Ada', video: await toFile(film, 'ada.mp4', { type: 'video/mp4' }) })
})
await tell('get character', () => client.videos.getCharacter(character.id))
await tell('list', async () => {
  const ids = []
  for await (const video of client.videos.list({ limit: 2, order: 'asc' })) ids.push(video.id)
  return { ids }
})
await tell('same key', async () => {
  const options = { headers: { 'Idempotency-Key': 'node-1' } }
  const asked = { prompt: 'Once', ...small }
  return [(await client.videos.create(asked, options)).id, (await client.videos.create(asked, options)).id]
})
await tell('webhook endpoints', async () => {
  const given = { name: 'Ours', url: 'https://hooks.example/tell', event_types: ['video.completed'] }
  const made = await client.webhooks.create(given)
  const listed = await client.webhooks.list()
  const changed = await client.webhooks.update(made.id, { name: 'Theirs' })
  const rotated = await client.webhooks.rotateSecret(made.id)
  const found = await client.webhooks.retrieve(made.id)
  const types = await client.webhooks.eventTypes.list()
  const deleted = await client.webhooks.delete(made.id)
  return { made, listed: listed.data.map((each) => each.id), changed, rotated, found, types: types.data, deleted }
})
await tell('bad request', () => client.videos.create({ prompt: 'A kite', seconds: '5' }))
await tell('unknown video', () => client.videos.retrieve('video_unknown'))
await tell('wrong key', () => new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 }).videos.list())
await tell('delete', () => client.videos.delete(done.id))
await tell('deleted', () => client.videos.retrieve(done.id))
console.log(JSON.stringify(told))
