// The packages and this benchmark as plain JavaScript, in a directory of their own: what is measured is what is
// published, and no tool sits in between. Dependencies are found above it, where this package has them.
import { Effect, type Scope } from "effect"
import * as esbuild from "esbuild"
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import ts from "typescript"
import type { Command } from "./worker.ts"

const packages = fileURLToPath(new URL("../../", import.meta.url))

export interface Installation {
  /** The command of a program of this benchmark, by the name of its module. */
  readonly program: (name: string, nodeOptions?: ReadonlyArray<string>) => Command
}

const bundleScript = fileURLToPath(new URL("../../../scripts/bundle.mjs", import.meta.url))

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true
}

const compile = async (source: string, target: string): Promise<void> => {
  const files = await readdir(source, { recursive: true })
  await Promise.all(
    files.filter((file) => file.endsWith(".ts")).map(async (file) => {
      const output = join(target, file.replace(/\.ts$/, ".js"))
      await mkdir(dirname(output), { recursive: true })
      const text = await readFile(join(source, file), "utf8")
      await writeFile(output, ts.transpileModule(text, { compilerOptions }).outputText)
    })
  )
}

const install = async (directory: string): Promise<void> => {
  await compile(fileURLToPath(new URL(".", import.meta.url)), directory)
  // Without a manifest of its own the directory would belong to this package, whose name then means its sources.
  await writeFile(join(directory, "package.json"), JSON.stringify({ private: true, type: "module" }))
  for (const name of ["core", "proto"]) {
    const { publishConfig, ...manifest } = JSON.parse(await readFile(join(packages, name, "package.json"), "utf8"))
    const installed = join(directory, "node_modules", "@effect-jumpstarter", name)
    await compile(join(packages, name, "src"), join(installed, "dist"))
    await writeFile(join(installed, "package.json"), JSON.stringify({ ...manifest, exports: publishConfig.exports }))
  }
  await promisify(execFile)(process.execPath, [bundleScript, join(directory, "node_modules/@effect-jumpstarter/core")])
  await esbuild.build({
    entryPoints: [join(directory, "cold.js")],
    outfile: join(directory, "coldBundle.js"),
    bundle: true,
    platform: "node",
    format: "esm",
    // It is optional, and reads a file of its own.
    external: ["node-liblzma"],
    logLevel: "error"
  })
}

/** Makes the directory; it is gone with the scope. */
export const make: Effect.Effect<Installation, never, Scope.Scope> = Effect.gen(function*() {
  const build = join(packages, "core", "build")
  yield* Effect.promise(() => mkdir(build, { recursive: true }))
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(build, "benchmark-"))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )
  yield* Effect.promise(() => install(directory))
  return {
    program: (name, nodeOptions = []) => [process.execPath, ...nodeOptions, join(directory, `${name}.js`)]
  }
})
