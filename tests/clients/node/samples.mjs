// Runs the TypeScript samples named on the command line, one after the other, types stripped, and prints a JSON object:
// what each wrote, and the error that ended it.
import { readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { transform } from 'sucrase'

const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);\n"
const told = {}
const write = process.stdout.write.bind(process.stdout)

for (const path of process.argv.slice(2)) {
  const name = basename(path, '.ts')
  const wrote = []
  const begun = Date.now()
  process.stdout.write = (text) => wrote.push(String(text))
  console.error = (...parts) => wrote.push(parts.map(String).join(' '))
  try {
    const { code } = transform(await readFile(path, 'utf-8'), { transforms: ['typescript'], disableESTransforms: true })
    await writeFile(`${name}.mjs`, REQUIRE + code)
    await import(new URL(`${name}.mjs`, `file://${process.cwd()}/`))
    told[name] = { wrote: wrote.join('').slice(-2000) }
  } catch (error) {
    told[name] = { wrote: wrote.join('').slice(-2000), raised: error.message }
  }
  process.stdout.write = write
  told[name].ms = Date.now() - begun
}
write(`${JSON.stringify(told)}\n`)
process.exit(0) // a sample that does not read its answer to the end leaves a connection open
