// Vitest's global setup: bundles the programs that tests run in their own processes, once for each run. A bundle starts in a
// fraction of the time that Node needs to load its hundreds of files, which tsx would compile for each process.
import type * as esbuild from "esbuild"
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { join, parse } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The directory of the bundles. */
    readonly programs: string
  }
}

// Vite finds no package from a global setup.
const { build }: typeof esbuild = createRequire(import.meta.url)("esbuild")

const programs = {
  server: new URL("server.ts", import.meta.url),
  probeServer: new URL("probeServer.ts", import.meta.url),
  hostileHost: new URL("hostileHost.ts", import.meta.url),
  endings: new URL("endings.ts", import.meta.url),
  processClient: new URL("processClient.ts", import.meta.url),
  recordedRun: new URL("recordedRun.ts", import.meta.url),
  leaseHolder: new URL("leaseHolder.ts", import.meta.url),
  mainClient: new URL("mainClient.ts", import.meta.url),
  standardInput: new URL("standardInput.ts", import.meta.url),
  standardOutput: new URL("standardOutput.ts", import.meta.url),
  boardProcess: new URL("../../../examples/test/boardProcess.ts", import.meta.url),
  conformanceClient: new URL("../conformance/client.ts", import.meta.url),
  conformanceServer: new URL("../conformance/server.ts", import.meta.url)
}

export type Program = keyof typeof programs

const examples = fileURLToPath(new URL("../../../examples/src/", import.meta.url))

const entryPoints = async () => {
  const files = (await readdir(examples)).filter((name) => name.endsWith(".ts"))
  return Object.fromEntries([
    ...Object.entries(programs).map(([name, url]) => [name, fileURLToPath(url)]),
    ...files.map((name) => [`examples/${parse(name).name}`, join(examples, name)])
  ])
}

export default async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  // The projects of vitest.config.ts inherit what their parent provides.
  if (!project.isRootProject()) return undefined
  // Inside the package, so that the codecs find their libraries.
  const parent = fileURLToPath(new URL("../../build/", import.meta.url))
  await mkdir(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, "programs-"))
  await build({
    entryPoints: await entryPoints(),
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    // It runs a program of its own.
    external: ["esbuild"],
    // CommonJS packages load Node's built-in modules with `require`.
    banner: {
      js: "import { createRequire as makeRequire } from \"node:module\"; const require = makeRequire(import.meta.url);"
    },
    logLevel: "warning"
  })
  project.provide("programs", directory)
  return () => rm(directory, { recursive: true, force: true })
}
