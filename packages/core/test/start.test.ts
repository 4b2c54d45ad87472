import { expect, it } from "@effect/vitest"
import * as esbuild from "esbuild"
import { fileURLToPath } from "node:url"

// The name of the package that a module belongs to, or of a module of Node.
const packageOf = (path: string): string => /^(?:node:\w+|@[^/]+\/[^/]+|[^/]+)/.exec(path)?.[0] ?? path

// The packages that a program loads when it starts because it imports this module.
const loadedWith = async (module: string): Promise<ReadonlyArray<string>> => {
  const { metafile } = await esbuild.build({
    entryPoints: [fileURLToPath(new URL(`../src/${module}`, import.meta.url))],
    outdir: "none",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    metafile: true,
    write: false
  })
  const seen = new Set<string>()
  const load = (path: string): ReadonlyArray<string> => {
    if (seen.has(path)) return []
    seen.add(path)
    return (metafile.outputs[path]?.imports ?? [])
      .filter(({ kind }) => kind === "import-statement")
      .flatMap((imported) => imported.external === true ? [packageOf(imported.path)] : load(imported.path))
  }
  const [entry = ""] = Object.entries(metafile.outputs).flatMap(([path, { entryPoint }]) =>
    entryPoint?.endsWith(module) === true ? [path] : []
  )
  return Array.from(new Set(load(entry))).filter((name) => !name.startsWith("node:")).sort()
}

it("loads nothing at its start that most programs never use, such as a YAML parser and grpc-js", async () => {
  expect(await loadedWith("index.ts")).toEqual([
    "@bufbuild/protobuf",
    "@effect-jumpstarter/proto",
    "@effect/platform",
    "effect"
  ])
})
