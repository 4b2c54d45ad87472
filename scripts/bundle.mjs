// Joins the compiled modules of packages/core into a few files in `dist/node`, which Node loads in place of two hundred: finding and
// compiling modules is most of the start of a program. Bundlers use the single modules, from which they can leave out what a program does
// not need. The argument is the directory of the package, packages/core by default, whose `dist` has been compiled.
import { readFileSync, rmSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { rollup } from "rollup"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const directory = resolve(process.argv[2] ?? join(root, "packages/core"))
const dist = join(directory, "dist")
const target = join(dist, "node")

const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
const entries = Object.values(manifest.publishConfig?.exports ?? manifest.exports).flatMap(({ module }) => module ?? [])

// The rooms that not every program needs, each with the file that it becomes a part of. All other rooms become one file.
const files = {
  controller: "lab",
  drivers: "drivers",
  host: "host",
  lease: "lab",
  registration: "registration",
  testing: "testing"
}

const roomOf = (id) => relative(dist, id).split(/[\\/]/)[0]

// Whether a module is loaded together with an entry, as opposed to by an `import()` when it is needed.
const isLoadedAtOnce = (id, getModuleInfo, seen = new Set()) => {
  if (seen.has(id)) return false
  seen.add(id)
  const { importers, isEntry } = getModuleInfo(id)
  return isEntry || importers.some((importer) => isLoadedAtOnce(importer, getModuleInfo, seen))
}

const sourceMap = (id) => {
  try {
    return readFileSync(`${id}.map`, "utf8")
  } catch (error) {
    if (error.code === "ENOENT") return null
    throw error
  }
}

rmSync(target, { recursive: true, force: true })
const bundle = await rollup({
  input: Object.fromEntries(
    entries.map((file) => [relative("dist", file).replace(/\.js$/, ""), join(directory, file)])
  ),
  external: (id) => /^[^./\\]/.test(id) && !id.startsWith(dist),
  preserveEntrySignatures: "strict",
  treeshake: false,
  plugins: [{ name: "source-maps", load: (id) => ({ code: readFileSync(id, "utf8"), map: sourceMap(id) }) }],
  onwarn: ({ message }) => {
    throw new Error(message)
  }
})
const { output } = await bundle.write({
  dir: target,
  format: "es",
  generatedCode: "es2015",
  sourcemap: true,
  hoistTransitiveImports: false,
  minifyInternalExports: false,
  entryFileNames: "[name].js",
  chunkFileNames: "parts/[name].js",
  manualChunks: (id, { getModuleInfo }) =>
    /\bindex\.js$/.test(id) || !isLoadedAtOnce(id, getModuleInfo) ? undefined : files[roomOf(id)] ?? "client"
})
await bundle.close()
const parts = output.filter(({ fileName }) => fileName.startsWith("parts/") && fileName.endsWith(".js"))
console.error(`Joined the modules of ${manifest.name}: ${parts.map(({ name }) => name).sort().join(", ")}`)
