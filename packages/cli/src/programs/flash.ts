// Writes an image to a device.
import type { ContentEncoding } from "@effect-jumpstarter/core/ContentEncoding"
import * as Device from "@effect-jumpstarter/core/Device"
import * as Flasher from "@effect-jumpstarter/core/drivers/Flasher"
import * as StorageMux from "@effect-jumpstarter/core/drivers/StorageMux"
import * as ProgressBar from "@effect-jumpstarter/core/ProgressBar"
import * as Resource from "@effect-jumpstarter/core/Resource"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Sendable } from "../driverMethod.ts"
import { usage } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import * as transfer from "../transfer.ts"
import * as visible from "../visible.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly partition: Option.Option<string>
  readonly encoding: "auto" | "identity" | ContentEncoding
  readonly verify: boolean
  readonly path: string
  readonly image: string
}

const endings: Readonly<Record<string, ContentEncoding>> = {
  gz: "gzip",
  xz: "xz",
  bz2: "bz2",
  zst: "zstd",
  zstd: "zstd"
}

const encodingOf = ({ encoding, image }: Arguments): ContentEncoding | "identity" => {
  if (encoding !== "auto") return encoding
  const ending = /\.([a-z0-9]+)$/i.exec(image)?.[1]?.toLowerCase() ?? ""
  return (Object.hasOwn(endings, ending) ? endings[ending] : undefined) ?? "identity"
}

const isUrl = (image: string): boolean => /^https?:\/\//.test(image)

const send = (found: transfer.Found, argument: Sendable, partition: ReadonlyArray<string>) =>
  transfer.switched(found, found.driver.call(found.method, argument, ...partition))

// What was written is read where it was written: a storage mux has `read` in place of `dump`.
const readerOf = ({ driver, method }: transfer.Found): Pick<Flasher.Client, "dump"> => {
  if (method === "flash") return Device.fromInterface(driver, Flasher.contract)
  const mux = Device.fromInterface(driver, StorageMux.contract)
  return { dump: (target) => StorageMux.onHost(mux, mux.read(target)) }
}

const describe = (
  { image, json, path }: Arguments,
  place: string,
  digest: transfer.Digest | undefined,
  verified: boolean
) =>
  output.document(
    json,
    { driver: path, image, bytes: digest?.size ?? null, sha256: digest?.sha256 ?? null, verified },
    () => [
      visible.line(
        digest === undefined
          ? `${place}: wrote ${image}`
          : `${place}: wrote ${digest.size} bytes of ${image}, sha256 ${digest.sha256}${
            verified ? ", read back unchanged" : ""
          }`
      )
    ]
  )

// The user, the query and the fragment of a URL can be secrets.
const withoutSecrets = (image: string): string => image.replace(/[?#].*$/s, "").replace(/^([^:]*:\/*)[^/]*@/, "$1")

const fromUrl = (args: Arguments, found: transfer.Found) =>
  Effect.gen(function*() {
    if (args.verify) return yield* usage("--verify needs a local image to compare with")
    if (args.encoding !== "auto" && args.encoding !== "identity") {
      return yield* usage(
        `--encoding ${args.encoding} needs a local image: an exporter does not decode what it fetches from a URL`
      )
    }
    const contentEncoding = args.encoding === "identity" ? args.encoding : undefined
    yield* send(found, Resource.presigned(args.image, { contentEncoding }), Option.toArray(args.partition))
    yield* describe({ ...args, image: withoutSecrets(args.image) }, found.place, undefined, false)
  })

const fromFile = (args: Arguments, found: transfer.Found) =>
  Effect.gen(function*() {
    const file = yield* Resource.fromFile(args.image, { contentEncoding: encodingOf(args) })
    const digest = new transfer.Digest()
    const bar = yield* transfer.progress("flash")
    const image = ProgressBar.show({ ...file, stream: transfer.observed(file.stream, digest) }, bar)
    yield* Effect.scoped(
      Effect.flatMap(found.driver.resource(image), (handle) => send(found, handle, Option.toArray(args.partition)))
    )
    if (args.verify) {
      const shown = ProgressBar.show(file, { ...bar, label: "verify" })
      yield* Flasher.verify(readerOf(found), shown, Option.getOrUndefined(args.partition))
    }
    yield* describe(args, found.place, digest, args.verify)
  })

export const run = (args: Arguments) =>
  Effect.gen(function*() {
    const found = yield* transfer.find(args.path, ["flash", "write"])
    yield* isUrl(args.image) ? fromUrl(args, found) : fromFile(args, found)
  }).pipe(Effect.provide(target.layer(args.target)))
