/**
 * A fake storage for `Opendal` that keeps its files in memory.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Opendal from "../drivers/Opendal.ts"
import * as Bytes from "../grpc/Bytes.ts"
import * as Driver from "../host/Driver.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as hash from "../resource/hash.ts"
import * as memoryFiles from "./memoryFiles.ts"

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface StorageTest {
  readonly driver: Driver.Driver
  /** The files by their paths. */
  readonly files: Effect.Effect<ReadonlyMap<string, Uint8Array>>
  /** The number of open files. */
  readonly openFiles: Effect.Effect<number>
  /** Writes a file, from bytes or from text as UTF-8. Dies where a file cannot be, such as below another file. */
  readonly write: (path: string, content: Uint8Array | string) => Effect.Effect<void>
  /** Changes all bytes written from now on, as a broken disk would; `undefined` ends this. */
  readonly corrupt: (change: ((bytes: Uint8Array) => Uint8Array) | undefined) => Effect.Effect<void>
}

interface OpenFile {
  readonly path: string
  readonly mode: Opendal.Mode
  position: number
  closed: boolean
}

const fail = (message: string) => DriverFailure.make("Other", message)

const orFail = <A>(result: Either.Either<A, string>): Either.Either<A, DriverFailure.DriverFailure> =>
  Either.mapLeft(result, fail)

const toBytes = (content: Uint8Array | string): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

const chunkSize = 65_536

// The capabilities that OpenDAL reports for a directory.
const capability: typeof Opendal.Capability.Type = {
  stat: true,
  stat_with_if_match: false,
  stat_with_if_none_match: false,
  read: true,
  read_with_if_match: false,
  read_with_if_none_match: false,
  read_with_override_cache_control: false,
  read_with_override_content_disposition: false,
  read_with_override_content_type: false,
  write: true,
  write_can_multi: true,
  write_can_empty: true,
  write_can_append: true,
  write_with_content_type: false,
  write_with_content_disposition: false,
  write_with_cache_control: false,
  write_multi_max_size: null,
  write_multi_min_size: null,
  write_total_max_size: null,
  create_dir: true,
  delete: true,
  copy: true,
  rename: true,
  list: true,
  list_with_limit: false,
  list_with_start_after: false,
  list_with_recursive: false,
  presign: false,
  presign_read: false,
  presign_stat: false,
  presign_write: false,
  shared: true,
  blocking: true
}

const unsupported = () => Effect.fail(fail("Unsupported (permanent) at presign => operation is not supported"))

const storage = () => {
  const tree = memoryFiles.make()
  const open = new Map<string, OpenFile>()
  const created = new Set<string>()
  const state: { corrupt: ((bytes: Uint8Array) => Uint8Array) | undefined } = { corrupt: undefined }

  const create = (path: string) => created.add(memoryFiles.normalize(path).replace(/\/$/, ""))
  const forget = (path: string) => created.delete(memoryFiles.normalize(path).replace(/\/$/, ""))
  // In Python exporters, reading fails with an error of the operating system, and opening with an error of OpenDAL.
  const read = (path: string) => Either.mapLeft(tree.read(path), (why) => DriverFailure.make("Device", why))
  const onFile = <A>(use: (file: OpenFile) => A) => (fd: string): Effect.Effect<A, DriverFailure.DriverFailure> =>
    Effect.suspend(() => {
      const file = open.get(fd)
      return file === undefined ? fail(`UUID('${fd}')`) : Effect.sync(() => use(file))
    })
  const withMode = (fd: string, mode: Opendal.Mode, verb: string) =>
    Effect.filterOrFail(
      onFile((file) => file)(fd),
      (file) => file.mode === mode && !file.closed,
      () => fail(`I/O operation failed for ${verb} on a file that is not open for it.`)
    )
  const readable = (fd: string) =>
    Effect.flatMap(withMode(fd, "rb", "reading"), (file) => Effect.map(read(file.path), (bytes) => ({ bytes, file })))
  const change = (result: () => Either.Either<unknown, string>, done: () => void) =>
    Effect.suspend(() => Either.map(orFail(result()), done))
  const store = (file: OpenFile, before: Uint8Array, received: Uint8Array) => {
    return tree.write(file.path, Bytes.join([before, state.corrupt === undefined ? received : state.corrupt(received)]))
  }

  const driver = Driver.fromInterface(Opendal.contract, {
    open: (path, mode) =>
      Effect.gen(function*() {
        yield* orFail(mode === "rb" ? tree.openable(path) : tree.write(path, new Uint8Array()))
        if (mode === "wb") create(path)
        const fd = crypto.randomUUID()
        open.set(fd, { path, mode, position: 0, closed: false })
        return fd
      }),
    file_read: (fd, write) =>
      Effect.gen(function*() {
        const { bytes, file } = yield* readable(fd)
        const rest = bytes.subarray(file.position)
        file.position = bytes.length
        yield* write(Stream.map(
          Stream.range(0, Math.ceil(rest.length / chunkSize) - 1, 16),
          (index) => rest.subarray(index * chunkSize, (index + 1) * chunkSize)
        ))
      }),
    file_write: (fd, source) =>
      Effect.gen(function*() {
        const file = yield* withMode(fd, "wb", "writing")
        const before = yield* read(file.path)
        const received: Array<Uint8Array> = []
        yield* Stream.runForEach(source, (chunk) => Effect.sync(() => received.push(chunk))).pipe(
          Effect.ensuring(Effect.ignore(Effect.suspend(() => store(file, before, Bytes.join(received)))))
        )
      }),
    file_seek: (fd, offset, whence) =>
      Effect.map(readable(fd), ({ bytes, file }) => {
        const origin = whence === 0 ? 0 : whence === 1 ? file.position : bytes.length
        return file.position = Math.max(0, origin + offset)
      }),
    file_tell: (fd) => Effect.map(readable(fd), ({ file }) => file.position),
    file_close: onFile((file) => {
      file.closed = true
    }),
    file_closed: onFile(({ closed }) => closed),
    file_readable: onFile(({ mode }) => mode === "rb"),
    file_seekable: onFile(({ mode }) => mode === "rb"),
    file_writable: onFile(({ mode }) => mode === "wb"),
    stat: (path) =>
      Effect.suspend(() =>
        Either.map(orFail(tree.stat(path)), ({ isFile, length }) => ({
          content_disposition: null,
          content_length: length,
          content_md5: null,
          content_type: null,
          etag: null,
          mode: { entry_is_file: isFile, entry_is_dir: !isFile }
        }))
      ),
    hash: (path, algorithm) =>
      Effect.suspend(() =>
        Either.map(
          Either.flatMap(orFail(tree.openable(path)), () => read(path)),
          (bytes) => hash.ofBytes(bytes, algorithm)
        )
      ),
    copy: (source, target) => change(() => tree.copy(source, target), () => create(target)),
    rename: (source, target) =>
      change(() => tree.rename(source, target), () => {
        forget(source)
        create(target)
      }),
    remove_all: (path) => change(() => tree.removeAll(path), () => forget(path)),
    create_dir: (path) => change(() => tree.createDirectory(path), () => create(path)),
    delete: (path) => change(() => tree.remove(path), () => forget(path)),
    exists: (path) => Effect.suspend(() => orFail(tree.exists(path))),
    list: (path) => Stream.suspend(() => Stream.fromIterable(tree.list(path, false))),
    scan: (path) => Stream.suspend(() => Stream.fromIterable(tree.list(path, true))),
    presign_stat: unsupported,
    presign_read: unsupported,
    presign_write: unsupported,
    capability: () => Effect.succeed(capability),
    get_created_resources: () => Effect.sync(() => [...created]),
    register_path: (path) => Effect.sync(() => void create(path))
  })
  return { driver, open, state, tree }
}

/**
 * Makes a storage with the given files. It behaves like a directory of an exporter, and cannot presign.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Opendal } from "@effect-jumpstarter/core/drivers"
 * import { ExporterTest, StorageTest } from "@effect-jumpstarter/core/testing"
 * import { Effect } from "effect"
 *
 * class Images extends Device.Tag("acme/Images", Opendal.contract)<Images>() {}
 *
 * const test = Effect.gen(function*() {
 *   const storage = yield* StorageTest.make({ "version": "1.2.3" })
 *   yield* Effect.flatMap(Images, (images) => Opendal.readString(images, "version")).pipe(
 *     Effect.provide(Images.layer("storage")),
 *     Effect.provide(ExporterTest.layer({ storage: storage.driver }))
 *   )
 *   return yield* storage.openFiles // 0
 * })
 * ```
 */
export const make = (files: Readonly<Record<string, Uint8Array | string>> = {}): Effect.Effect<StorageTest> =>
  Effect.gen(function*() {
    const { driver, open, state, tree } = storage()
    const write = (path: string, content: Uint8Array | string) =>
      Effect.orDieWith(
        Effect.suspend(() => tree.write(path, toBytes(content))),
        (why) => new Error(`StorageTest cannot write the file ${JSON.stringify(path)}: ${why}`)
      )
    for (const [path, content] of Object.entries(files)) yield* write(path, content)
    return {
      driver,
      files: Effect.sync(() => new Map(tree.files)),
      openFiles: Effect.sync(() => Array.from(open.values()).filter(({ closed }) => !closed).length),
      write,
      corrupt: (change) =>
        Effect.sync(() => {
          state.corrupt = change
        })
    }
  })
