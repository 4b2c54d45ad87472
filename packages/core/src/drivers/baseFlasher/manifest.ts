// The manifest of a flasher's bundle.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as callers from "../../protocol/callerFrame.ts"
import type { DriverCallError } from "../../protocol/DriverError.ts"

/** A flasher that has a bundle. */
interface Bundled {
  readonly get_flasher_manifest_yaml: () => Effect.Effect<string, DriverCallError>
}

const FileAddress = Schema.Struct({ file: Schema.String, address: Schema.String })

/**
 * The manifest of a bundle.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Manifest = Schema.Struct({
  metadata: Schema.Struct({ name: Schema.String }),
  spec: Schema.Struct({
    manufacturer: Schema.String,
    bootcmd: Schema.String,
    /** How to log in to the small system. The prompts are regular expressions. */
    login: Schema.optionalWith(
      Schema.Struct({
        login_prompt: Schema.String,
        username: Schema.optional(Schema.NullOr(Schema.String)),
        password: Schema.optional(Schema.NullOr(Schema.String)),
        prompt: Schema.String
      }),
      { default: () => ({ login_prompt: "login:", prompt: "#" }) }
    ),
    default_target: Schema.String,
    /** The device file of each target, or `/sys/class/block#` and the address of its controller. */
    targets: Schema.Record({ key: Schema.String, value: Schema.String }),
    kernel: FileAddress,
    initram: Schema.optional(Schema.NullOr(FileAddress)),
    dtb: Schema.optional(Schema.NullOr(Schema.Struct({
      default: Schema.String,
      address: Schema.String,
      variants: Schema.Record({
        key: Schema.String,
        value: Schema.Struct({
          bootcmd: Schema.optional(Schema.NullOr(Schema.String)),
          file: Schema.optional(Schema.NullOr(Schema.String))
        })
      })
    }))),
    /** Commands of the small system that run before the image is written. */
    preflash_commands: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] })
  })
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Manifest extends Schema.Schema.Type<typeof Manifest> {}

/**
 * The manifest of a bundle cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidManifest extends Schema.TaggedError<InvalidManifest>(
  "@effect-jumpstarter/core/drivers/BaseFlasher/InvalidManifest"
)("InvalidManifest", { reason: Schema.String }) {
  override get message(): string {
    return `the manifest of the flasher's bundle cannot be read: ${this.reason}`
  }
}

/**
 * Reads the manifest of the flasher's bundle, which the exporter fetches if it does not have it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const manifest = (
  flasher: Bundled
): Effect.Effect<Manifest, DriverCallError | InvalidManifest> => {
  const caller = callers.of()
  const invalid = (reason: string) => callers.blame(new InvalidManifest({ reason }), { caller })
  return Effect.gen(function*() {
    const yaml = yield* callers.on(caller, () => flasher.get_flasher_manifest_yaml())
    const { parse } = yield* Effect.promise(() => import("yaml"))
    const value = yield* Effect.try({
      try: (): unknown => parse(yaml),
      catch: (error) => invalid(error instanceof Error ? error.message : String(error))
    })
    return yield* Effect.mapError(Schema.decodeUnknown(Manifest)(value), ({ message }) => invalid(message))
  })
}
