// The codecs of a program that is bundled into one file, next to its packages and away from them.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { nodeZstd } from "../../src/resource/nodeZstd.ts"

const core = fileURLToPath(new URL("../..", import.meta.url))

const source = `
  import { ContentEncoding, ExporterConnection, Resource } from "./src/index.ts"
  import { ExporterTest, FlasherTest } from "./src/testing/index.ts"
  import { Effect, Stream } from "effect"

  const firmware = Stream.make(new TextEncoder().encode("firmware"))

  const local = (encoding) => firmware.pipe(
    ContentEncoding.encode(encoding),
    ContentEncoding.decode(encoding),
    Stream.decodeText(),
    Stream.mkString
  )

  // Lends a resource to an exporter of this program.
  const hosted = (contentEncoding) => Effect.gen(function*() {
    const flasher = yield* FlasherTest.make()
    yield* Effect.scoped(Effect.gen(function*() {
      const client = yield* ExporterConnection.driver("flasher")
      yield* client.resource(Resource.source(Stream.never, { contentEncoding }))
    })).pipe(Effect.provide(ExporterTest.layer({ flasher: flasher.driver })))
    return "accepted"
  })

  const said = (effect) => Effect.match(effect, {
    onFailure: ({ _tag, code, message, reason }) => ({ tag: _tag, kind: reason ?? code, message }),
    onSuccess: (text) => ({ tag: "Success", kind: "", message: text })
  })

  Effect.runPromise(
    Effect.forEach(["gzip", "xz", "bz2", "zstd"], (encoding) =>
      Effect.all({ encoding: Effect.succeed(encoding), local: said(local(encoding)), hosted: said(hosted(encoding)) }))
  ).then((results) => process.stdout.write(JSON.stringify(results), () => process.exit(0)))
`

const Said = Schema.Struct({ tag: Schema.String, kind: Schema.String, message: Schema.String })

const decode = Schema.decodeUnknown(
  Schema.parseJson(Schema.Array(Schema.Struct({ encoding: Schema.String, local: Said, hosted: Said })))
)

const requireInEsm =
  "import { createRequire as makeRequire } from \"node:module\"; const require = makeRequire(import.meta.url);"

const temporary = (parent: string) =>
  Effect.acquireRelease(
    Effect.promise(() => mkdir(parent, { recursive: true }).then(() => mkdtemp(join(parent, "bundle-")))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )

// A bundle does not depend on its location.
const bundled = (format: "esm" | "cjs") =>
  Effect.runSync(Effect.cached(Effect.promise(async () => {
    const { outputFiles: [file] } = await build({
      stdin: { contents: source, resolveDir: core, loader: "js" },
      bundle: true,
      platform: "node",
      format,
      write: false,
      logLevel: "silent",
      ...(format === "esm" ? { banner: { js: requireInEsm } } : {})
    })
    return file?.contents ?? new Uint8Array()
  })))

const bundles = { esm: bundled("esm"), cjs: bundled("cjs") }

const bundle = (directory: string, format: "esm" | "cjs") =>
  Effect.flatMap(bundles[format], (program) =>
    Effect.promise(async () => {
      const file = join(directory, format === "esm" ? "program.mjs" : "program.cjs")
      await writeFile(file, program)
      return file
    }))

const execute = promisify(execFile)

const run = (file: string, env: NodeJS.ProcessEnv = {}) =>
  Effect.promise(() => execute(process.execPath, [file], { cwd: tmpdir(), env: { PATH: process.env["PATH"], ...env } }))
    .pipe(Effect.flatMap(({ stdout }) => decode(stdout)))

type Results = Effect.Effect.Success<ReturnType<typeof run>>

const allWork = (results: Results) => {
  const summary = results.map(({ encoding, hosted, local }) => [encoding, local.message, hosted.message])
  assert.deepStrictEqual(summary, ["gzip", "xz", "bz2", "zstd"].map((encoding) => [encoding, "firmware", "accepted"]))
}

const packages = { xz: "node-liblzma", bz2: "libbzip2-wasm", zstd: "zstd-codec" } as const
const decoders = { xz: "node-liblzma", bz2: "seek-bzip", zstd: "zstddec" } as const

describe.each(["esm", "cjs"] as const)("a bundle in the format %s", (format) => {
  it.scopedLive("has every codec beside the packages", () =>
    Effect.gen(function*() {
      allWork(yield* run(yield* bundle(yield* temporary(join(core, "build")), format)))
    }), 60_000)

  it.scopedLive(
    "has every codec when only the library is installed, or NODE_PATH names the packages",
    () =>
      Effect.gen(function*() {
        const away = yield* temporary(tmpdir())
        const file = yield* bundle(away, format)
        allWork(yield* run(file, { NODE_PATH: join(core, "node_modules") }))
        yield* Effect.promise(async () => {
          await mkdir(join(away, "node_modules", "@effect-jumpstarter"), { recursive: true })
          await symlink(core, join(away, "node_modules", "@effect-jumpstarter", "core"))
        })
        allWork(yield* run(file))
      }),
    60_000
  )

  it.scopedLive(
    "says which package is missing away from all of them, and so does its host",
    () =>
      Effect.gen(function*() {
        const file = yield* bundle(yield* temporary(tmpdir()), format)
        const results = yield* run(file)
        assert.deepStrictEqual(results.map(({ encoding }) => encoding), ["gzip", "xz", "bz2", "zstd"])
        for (const { encoding, hosted, local } of results) {
          if (encoding === "gzip" || (encoding === "zstd" && nodeZstd !== undefined)) {
            assert.deepStrictEqual([local.message, hosted.message], ["firmware", "accepted"])
            continue
          }
          if (encoding !== "xz" && encoding !== "bz2" && encoding !== "zstd") return assert.fail(encoding)
          assert.deepStrictEqual([local.tag, local.kind], ["ContentEncodingError", "Unavailable"])
          assert.include(
            local.message,
            `the package ${packages[encoding]}, which encodes ${encoding}, is not found from`
          )
          assert.include(local.message, file)
          assert.include(local.message, `npm install ${packages[encoding]}`)
          assert.deepStrictEqual([hosted.tag, hosted.kind], ["InvalidArgument", "INVALID_ARGUMENT"])
          assert.include(hosted.message, `unsupported content encoding "${encoding}": no codec is installed`)
          assert.include(hosted.message, `the package ${decoders[encoding]}, which decodes ${encoding}, is not found`)
        }
      }),
    60_000
  )
})
