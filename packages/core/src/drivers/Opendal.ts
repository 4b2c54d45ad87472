/**
 * Files of an exporter, in any storage that Apache OpenDAL supports (`protocol.md` 14.2).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type * as ContentEncoding from "../resource/ContentEncoding.ts"
import * as encodingSigns from "../resource/encodingSigns.ts"
import * as hash from "../resource/hash.ts"
import * as Resource from "../resource/Resource.ts"
import { bracket } from "./bracket.ts"

/**
 * The metadata of a path. `content_length` is in bytes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Metadata = Schema.Struct({
  content_disposition: Schema.NullOr(Schema.String),
  content_length: Schema.Number,
  content_md5: Schema.NullOr(Schema.String),
  content_type: Schema.NullOr(Schema.String),
  etag: Schema.NullOr(Schema.String),
  mode: Schema.Struct({ entry_is_file: Schema.Boolean, entry_is_dir: Schema.Boolean })
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Metadata extends Schema.Schema.Type<typeof Metadata> {}

/**
 * An HTTP request that works without the storage's credentials.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PresignedRequest = Schema.Struct({
  url: Schema.String,
  method: Schema.String,
  headers: Schema.Record({ key: Schema.String, value: Schema.String })
})

/**
 * @since 0.1.0
 * @category models
 */
export interface PresignedRequest extends Schema.Schema.Type<typeof PresignedRequest> {}

/**
 * The capabilities of a storage under OpenDAL's names, such as `write_can_append`; limits are numbers.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Capability = Schema.Record({
  key: Schema.String,
  value: Schema.NullOr(Schema.Union(Schema.Boolean, Schema.Number))
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const Mode = Schema.Literal("rb", "wb")

/**
 * @since 0.1.0
 * @category models
 */
export type Mode = typeof Mode.Type

const onePath = DriverMethod.named((path = Schema.String) => [path])
const oneFile = DriverMethod.named((fd = Schema.String) => [fd])
const fromTo = DriverMethod.named((from = Schema.String, to = Schema.String) => [from, to])
const flag = DriverMethod.call({ args: oneFile, result: Schema.Boolean, effect: "read", idempotent: true })
const presign = {
  args: DriverMethod.named((path = Schema.String, expireSeconds = Schema.Int) => [path, expireSeconds]),
  result: PresignedRequest,
  idempotent: true
} as const
const paths = DriverMethod.streamingCall({ args: onePath, item: Schema.String, effect: "read" })

/**
 * The contract. Paths are relative to the driver's root; paths of directories end with a slash. `open` returns the
 * handle that the `file_` methods take.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device, Resource } from "@effect-jumpstarter/core"
 * import { Opendal } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class Images extends Device.Tag("acme/Images", Opendal.contract)<Images>() {}
 *
 * const refresh = Effect.gen(function*() {
 *   const images = yield* Images
 *   yield* Opendal.upload(images, "board/rootfs.img", yield* Resource.fromFile("rootfs.img"))
 *   yield* Opendal.writeString(images, "board/version", "1.2.3\n")
 *   return yield* Stream.runCollect(images.list("board/"))
 * })
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_opendal.client.OpendalClient", {
  /** Opens a file. */
  open: DriverMethod.call({
    args: DriverMethod.named((path = Schema.String, mode = Mode) => [path, mode]),
    result: Schema.String,
    effect: "destructive",
    documentation: "Opens a file."
  }),
  /** Reads an open file to its end. */
  file_read: DriverMethod.call({
    args: DriverMethod.named((fd = Schema.String, target = DriverMethod.sink) => [fd, target]),
    effect: "read",
    documentation: "Reads an open file to its end."
  }),
  /** Writes to an open file. */
  file_write: DriverMethod.call({
    args: DriverMethod.named((fd = Schema.String, content = DriverMethod.source) => [fd, content]),
    effect: "destructive",
    documentation: "Writes to an open file."
  }),
  /** Moves in an open file, relative to its start (0), the current position (1) or its end (2). */
  file_seek: DriverMethod.call({
    args: DriverMethod.named((
      fd = Schema.String,
      position = Schema.Int,
      whence = DriverMethod.optional(Schema.Literal(0, 1, 2), { fallback: 0 })
    ) => [fd, position, whence]),
    result: Schema.Number,
    documentation: "Moves in an open file, relative to its start (0), the current position (1) or its end (2)."
  }),
  /** The position in an open file. */
  file_tell: DriverMethod.call({
    args: oneFile,
    result: Schema.Number,
    effect: "read",
    documentation: "The position in an open file.",
    idempotent: true
  }),
  /** Closes an open file. */
  file_close: DriverMethod.call({ args: oneFile, documentation: "Closes an open file.", idempotent: true }),
  file_closed: flag,
  file_readable: flag,
  file_seekable: flag,
  file_writable: flag,
  stat: DriverMethod.call({ args: onePath, result: Metadata, effect: "read", idempotent: true }),
  /** The hash of a file in hexadecimal digits. */
  hash: DriverMethod.call({
    args: DriverMethod.named((
      path = Schema.String,
      algorithm = DriverMethod.optional(Schema.Literal("sha256", "md5"), { fallback: "sha256" })
    ) => [path, algorithm]),
    result: Schema.String,
    effect: "read",
    documentation: "The hash of a file in hexadecimal digits.",
    idempotent: true
  }),
  copy: DriverMethod.call({ args: fromTo, effect: "destructive", idempotent: true }),
  rename: DriverMethod.call({ args: fromTo, effect: "destructive" }),
  /** Removes a directory with its content; without the slash, all paths that start with the path. */
  remove_all: DriverMethod.call({
    args: onePath,
    effect: "destructive",
    documentation: "Removes a directory with its content; without the slash, all paths that start with the path.",
    idempotent: true
  }),
  create_dir: DriverMethod.call({ args: onePath, idempotent: true }),
  delete: DriverMethod.call({ args: onePath, effect: "destructive", idempotent: true }),
  exists: DriverMethod.call({ args: onePath, result: Schema.Boolean, effect: "read", idempotent: true }),
  list: paths,
  scan: paths,
  presign_stat: DriverMethod.call({ ...presign, effect: "read" }),
  presign_read: DriverMethod.call({ ...presign, effect: "read" }),
  presign_write: DriverMethod.call(presign),
  capability: DriverMethod.call({ result: Capability, effect: "read", idempotent: true }),
  /** The paths created in this session; some drivers remove them when the session ends. */
  get_created_resources: DriverMethod.call({
    result: Schema.Array(Schema.String),
    effect: "read",
    documentation: "The paths created in this session; some drivers remove them when the session ends.",
    idempotent: true
  }),
  /** Marks a path as created in this session. */
  register_path: DriverMethod.call({
    args: onePath,
    documentation: "Marks a path as created in this session.",
    idempotent: true
  })
}, { driverType: "storage" })

/**
 * The client of a storage.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Opens a file for an effect, and closes the file when the effect succeeds, fails or is interrupted. Fails when the
 * file cannot be closed, because its bytes may not have reached the storage.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withFile = <A, E, R>(
  storage: Pick<Client, "open" | "file_close">,
  path: string,
  mode: Mode,
  use: (fd: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | DriverCallError, R> => {
  const caller = callers.of()
  return bracket(
    callers.on(caller, () => storage.open(path, mode)),
    use,
    (fd) => callers.on(caller, () => storage.file_close(fd))
  )
}

type Reading = Pick<Client, "open" | "file_read" | "file_close">

type Writing = Pick<Client, "open" | "file_write" | "file_close">

/**
 * Reads a file into a target, and returns the target's result.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readFile = <A, E, R>(
  storage: Reading,
  path: string,
  target: Resource.Sink<A, E, R>
): Effect.Effect<A, DriverCallError | E, R> => {
  const caller = callers.of()
  return callers.on(
    caller,
    () => withFile(storage, path, "rb", (fd) => callers.on(caller, () => storage.file_read(fd, target)))
  )
}

// A storage keeps files unchanged, so compressed bytes are likely a mistake only if the path drops the extension of the
// source's name.
const kept = <E, R>(path: string, source: Resource.Source<void, E, R>): Resource.Source<void, E, R> => {
  const named = source.name === undefined ? undefined : encodingSigns.ofName(source.name)
  return named === undefined || encodingSigns.ofName(path) !== undefined ? { ...source, asIs: true } : source
}

/**
 * Writes a file, and replaces an existing one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const writeFile = <E, R>(
  storage: Writing,
  path: string,
  source: Resource.Source<void, E, R>
): Effect.Effect<void, DriverCallError | E, R> => {
  const caller = callers.of()
  return callers.on(
    caller,
    () => withFile(storage, path, "wb", (fd) => callers.on(caller, () => storage.file_write(fd, kept(path, source))))
  )
}

/**
 * Reads a whole file of at most `limit` bytes into memory; 64 MiB by default. See `Resource.toBytes`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readBytes = (
  storage: Reading,
  path: string,
  options?: { readonly limit?: number | undefined }
): Effect.Effect<Uint8Array, DriverCallError | Resource.TransferTooLarge> =>
  callers.on(callers.of(), () => readFile(storage, path, Resource.toBytes({ limit: options?.limit })))

/**
 * Writes a file from memory.
 *
 * @since 0.1.0
 * @category combinators
 */
export const writeBytes = (storage: Writing, path: string, bytes: Uint8Array): Effect.Effect<void, DriverCallError> =>
  callers.on(callers.of(), () => writeFile(storage, path, Resource.fromBytes(bytes)))

/**
 * Reads a whole file as UTF-8. Keeps a byte order mark, and decodes invalid bytes to U+FFFD. The limit is the one of
 * `readBytes`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readString = (
  storage: Reading,
  path: string,
  options?: { readonly limit?: number | undefined }
): Effect.Effect<string, DriverCallError | Resource.TransferTooLarge> =>
  Effect.map(
    callers.on(callers.of(), () => readBytes(storage, path, options)),
    (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
  )

/**
 * Writes text as UTF-8.
 *
 * @since 0.1.0
 * @category combinators
 */
export const writeString = (storage: Writing, path: string, text: string): Effect.Effect<void, DriverCallError> =>
  callers.on(callers.of(), () => writeFile(storage, path, Resource.fromString(text)))

/**
 * A file in the storage differs from the uploaded source.
 *
 * @since 0.1.0
 * @category errors
 */
export class HashMismatch extends Schema.TaggedError<HashMismatch>(
  "@effect-jumpstarter/core/drivers/Opendal/HashMismatch"
)("OpendalHashMismatch", { path: Schema.String, expected: Schema.String, actual: Schema.String }) {
  override get message(): string {
    const path = JSON.stringify(this.path)
    return `${path} differs from the uploaded source: its SHA-256 is ${this.actual}, expected ${this.expected}`
  }
}

/**
 * The result of an upload: whether the file was written, and its SHA-256.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upload {
  readonly uploaded: boolean
  readonly sha256: string
}

/**
 * Writes a file unless the storage has it already, and then compares its SHA-256. Computing the hash reads the source
 * once more, so the source must be readable twice, such as a file.
 *
 * @since 0.1.0
 * @category combinators
 */
export const upload = <E, R>(
  storage: Writing & Pick<Client, "exists" | "hash">,
  path: string,
  source: Resource.Source<void, E, R>
): Effect.Effect<Upload, DriverCallError | HashMismatch | ContentEncoding.ContentEncodingError | E, R> => {
  const caller = callers.of()
  return Effect.gen(function*() {
    const { sha256: expected } = yield* hash.ofSource(source)
    // When the storage cannot tell whether it has the file, the file is written.
    const present = yield* Effect.orElseSucceed(
      Effect.if(storage.exists(path), {
        onTrue: () => Effect.map(storage.hash(path), (actual) => actual === expected),
        onFalse: () => Effect.succeed(false)
      }),
      () => false
    )
    if (!present) {
      yield* callers.on(caller, () => writeFile(storage, path, source))
      const actual = yield* callers.on(caller, () => storage.hash(path))
      if (actual !== expected) return yield* callers.blame(new HashMismatch({ path, expected, actual }), { caller })
    }
    return { uploaded: !present, sha256: expected }
  })
}
