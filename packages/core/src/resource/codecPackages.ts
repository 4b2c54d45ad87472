// Finds the packages of the codecs. They have their own files and run in their own threads, so a bundler cannot include
// them. They are searched when needed: from this module's file, from the program's main script, and from this library's
// installation as those two see it, because package managers can hide the packages behind it.
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { createRequire } from "node:module"
import * as Process from "node:process"
import { pathToFileURL } from "node:url"
import { nodeZstd } from "./nodeZstd.ts"

export type Direction = "encode" | "decode"

export type PackagedEncoding = "xz" | "bz2" | "zstd"

export type Encoding = "gzip" | PackagedEncoding

const modules: Record<PackagedEncoding, Record<Direction, ReadonlyArray<string>>> = {
  xz: {
    encode: ["node-liblzma/wasm/liblzma.js", "node-liblzma/wasm/liblzma.wasm"],
    decode: ["node-liblzma/wasm/liblzma.js", "node-liblzma/wasm/liblzma.wasm"]
  },
  bz2: { encode: ["libbzip2-wasm"], decode: ["seek-bzip"] },
  zstd: { encode: ["zstd-codec/lib/module.js"], decode: ["zstddec/stream"] }
}

// A CommonJS bundle has no `import.meta.url`, and an ECMAScript module has no `__filename`.
const here = (): string | undefined =>
  typeof import.meta.url === "string" && import.meta.url !== ""
    ? import.meta.url
    : typeof __filename === "string"
    ? __filename
    : undefined

type Require = ReturnType<typeof createRequire>

const requireFrom = Option.liftThrowable(createRequire)

const resolve = (require: Require, module: string): Option.Option<string> =>
  Option.liftThrowable(require.resolve)(module)

const requires = (): ReadonlyArray<Require> => {
  const near = [here(), Process.argv[1]].flatMap((file) => file === undefined ? [] : Option.toArray(requireFrom(file)))
  const installed = near.flatMap((require) =>
    Option.toArray(Option.flatMap(resolve(require, "@effect-jumpstarter/core/package.json"), requireFrom))
  )
  return [...near, ...installed]
}

const packageOf = (module: string): string => module.replace(/\/.*/, "")

const notFound = (module: string, encoding: PackagedEncoding, direction: Direction): string => {
  const name = packageOf(module)
  const place = here() ?? Process.argv[1] ?? Process.cwd()
  return `the package ${name}, which ${direction}s ${encoding}, is not found from ${place}: install it there ` +
    `(npm install ${name}). A bundler leaves it out, so a bundle needs it in a node_modules directory beside or above it, ` +
    "or NODE_PATH"
}

// Returns the URLs of a codec's modules, or the package that is missing.
export const find = (
  encoding: PackagedEncoding,
  direction: Direction
): Either.Either<ReadonlyArray<string>, string> => {
  const candidates = requires()
  return Either.all(modules[encoding][direction].map((module) =>
    Either.map(
      Either.fromOption(
        Option.firstSomeOf(candidates.map((require) => resolve(require, module))),
        () => notFound(module, encoding, direction)
      ),
      (path) => pathToFileURL(path).href
    )
  ))
}

// Libraries can be optional dependencies, and a bundle can be far from all of them.
export const missing = (encoding: Encoding): Option.Option<string> =>
  encoding === "gzip" || (encoding === "zstd" && nodeZstd !== undefined)
    ? Option.none()
    : Option.orElse(
      Either.getLeft(find(encoding, "decode")),
      () => Either.getLeft(find(encoding, "encode"))
    )
