/** A short harmless use of a driver, chosen by its interface. */
import { DriverTree, ProgressBar, Resource } from "@effect-jumpstarter/core"
import type { DriverClient } from "@effect-jumpstarter/core/DriverClient"
import type { DriverCallError } from "@effect-jumpstarter/core/DriverError"
import * as Effect from "effect/Effect"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Image from "./Image.ts"
import { Screen, shorten } from "./Screen.ts"

type Failure = DriverCallError | ParseResult.ParseError | Resource.SizeMismatch

type Demonstration = Effect.Effect<void, Failure, Screen | Scope.Scope>

const say = (text: string) => Effect.flatMap(Screen, ({ print }) => print(`  ${text}`))

const skip = (text: string) => Effect.flatMap(Screen, ({ paint, print }) => print(`  ${paint("dim", text)}`))

const Reading = Schema.Struct({ voltage: Schema.Number, current: Schema.Number })

const power = (driver: DriverClient, write: boolean): Demonstration =>
  Effect.gen(function*() {
    if (write) yield* Effect.zipRight(driver.call("on"), say("on"))
    yield* driver.streamingCall("read").pipe(
      Stream.take(5),
      Stream.interruptAfter("2 seconds"),
      Stream.mapEffect(Schema.decodeUnknown(Reading)),
      Stream.runForEach(({ current, voltage }) => say(`read ${voltage.toFixed(2)} V ${current.toFixed(2)} A`)),
      Effect.onError(() => write ? Effect.ignore(driver.call("off")) : Effect.void)
    )
    if (write) yield* Effect.zipRight(driver.call("off"), say("off"))
  })

// What the demo leaves out, and the argument that includes it.
const guarded = (driver: DriverClient, what: string) =>
  skip(`${what} only with --write=${DriverTree.formatPath(driver.path)}`)

// Sends a greeting, if given, and listens for half a second.
const listen = (driver: DriverClient, greeting?: string): Demonstration =>
  Effect.gen(function*() {
    const stream = yield* driver.stream("connect")
    if (greeting !== undefined) yield* stream.write(new TextEncoder().encode(greeting))
    const text = yield* stream.read.pipe(
      Stream.interruptAfter("500 millis"),
      Stream.decodeText(),
      Stream.mkString
    )
    const heard = text === "" ? "nothing for half a second" : shorten(JSON.stringify(text), 40)
    yield* say(`connected, ${greeting === undefined ? "" : `sent ${JSON.stringify(greeting)}, `}heard ${heard}`)
  })

const size = 2 * 1024 * 1024

// Writes an image, reads it back, and compares the hashes.
const roundTrip = (
  driver: DriverClient,
  store: (
    handle: Resource.ResourceHandle<unknown, Resource.SizeMismatch>
  ) => Effect.Effect<unknown, DriverCallError | Resource.SizeMismatch>,
  fetch: (handle: Resource.ResourceHandle<unknown, never>) => Effect.Effect<unknown, DriverCallError>
): Demonstration =>
  Effect.gen(function*() {
    const { output, paint } = yield* Screen
    const source = yield* driver.resource(Resource.source(Image.bytes(size), { size }))
    yield* Effect.all([store(source), ProgressBar.run(source.progress(), { label: "  write", output })], {
      concurrency: "unbounded"
    })
    const target = yield* driver.resource(Resource.sink(Image.sha256))
    yield* fetch(target)
    const same = (yield* target.result) === (yield* Stream.run(Image.bytes(size), Image.sha256))
    yield* say(`${same ? paint("good", "✓") : paint("bad", "✗")} read back, sha256 ${same ? "is" : "is not"} the same`)
  })

const files = (driver: DriverClient, write: boolean): Demonstration =>
  Effect.gen(function*() {
    const names = yield* driver.streamingCall("list", "/").pipe(Stream.take(6), Stream.runCollect)
    yield* say(`list ${names.length === 0 ? "is empty" : Array.from(names, (name) => JSON.stringify(name)).join(" ")}`)
    if (!write) return yield* guarded(driver, "a file is written, hashed and deleted")
    const path = "effect-jumpstarter-demo.bin"
    const opened = yield* driver.call("open", path, "wb")
    const source = yield* driver.resource(Resource.source(Image.bytes(size), { size }))
    const { output, paint } = yield* Screen
    yield* Effect.addFinalizer(() => Effect.ignore(driver.call("delete", path)))
    yield* Effect.all([
      driver.call("file_write", opened, source),
      ProgressBar.run(source.progress(), { label: "  write", output })
    ], { concurrency: "unbounded" })
    yield* driver.call("file_close", opened)
    const same = (yield* driver.call("hash", path)) === (yield* Stream.run(
      Image.bytes(size),
      Image.sha256
    ))
    yield* say(`${same ? paint("good", "✓") : paint("bad", "✗")} ${path}: sha256 ${same ? "is" : "is not"} the same`)
  })

const network = (driver: DriverClient, write: boolean): Demonstration =>
  Effect.gen(function*() {
    yield* driver.call("address").pipe(
      Effect.flatMap((address) => say(`address ${String(address)}`)),
      // Some networks have no address, or do not report it.
      Effect.catchTags({
        MethodNotImplemented: () => Effect.void,
        InvalidArgument: ({ details }) => skip(`address: ${details}`)
      })
    )
    yield* listen(driver, write ? "hello\n" : undefined)
  })

const known: Readonly<Record<string, (driver: DriverClient, write: boolean) => Demonstration>> = {
  "jumpstarter_driver_power.client.PowerClient": power,
  "jumpstarter_driver_network.client.NetworkClient": network,
  // Opening a serial port can reset a board.
  "jumpstarter_driver_pyserial.client.PySerialClient": (driver, write) =>
    write ? listen(driver, "\n") : guarded(driver, "opened, which can reset a board,"),
  "jumpstarter_driver_opendal.client.OpendalClient": files,
  "jumpstarter_driver_opendal.client.FlasherClient": (driver, write) =>
    write
      ? roundTrip(driver, (handle) => driver.call("flash", handle), (handle) => driver.call("dump", handle))
      : guarded(driver, "flashed"),
  "jumpstarter_driver_opendal.client.StorageMuxClient": (driver, write) =>
    write
      ? Effect.zipRight(
        driver.call("host"),
        roundTrip(driver, (handle) => driver.call("write", handle), (handle) => driver.call("read", handle))
      )
      : guarded(driver, "switched and written")
}

/** Returns the demonstration for a driver; undefined for an unknown interface. */
export const of = (driver: DriverClient, write: boolean): Demonstration | undefined =>
  known[driver.labels[DriverTree.clientLabel] ?? ""]?.(driver, write)
