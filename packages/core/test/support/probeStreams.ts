// The byte streams and the resource methods of the probe; see interop/README.md for what each does.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as Driver from "../../src/Driver.ts"
import * as DriverFailure from "../../src/DriverFailure.ts"
import type { JsonValue } from "../../src/ProtobufValue.ts"
import type { DriverResource } from "../../src/Resource.ts"
import type { ByteStream } from "../../src/RouterStream.ts"
import { utf8 } from "./bytes.ts"
import { number } from "./probeCalls.ts"
import { fixedBytes, pattern, patternChunks } from "./probePattern.ts"
import type { Recorder } from "./probeRecorder.ts"

type Device = ByteStream<DriverFailure.DriverFailure>

const digest = () => {
  const hash = createHash("sha256")
  let size = 0
  return {
    add: (chunk: Uint8Array) => {
      hash.update(chunk)
      size += chunk.length
    },
    size: () => size,
    report: () => ({ size, sha256: hash.copy().digest("hex") })
  }
}

/** A device that never speaks, accepts everything, and does nothing at the end. */
const deaf: Device = { read: Stream.never, write: () => Effect.void, end: Effect.void }

export const byteStreams = (recorder: Recorder) => {
  const tracked = (
    name: string,
    open: Effect.Effect<Partial<Device>, DriverFailure.DriverFailure, Scope.Scope>
  ) =>
    Driver.stream(
      Effect.map(Effect.zipRight(recorder.track(name), open), (device): Device => ({ ...deaf, ...device }))
    )

  const counted = (name: string): Pick<Device, "write"> => ({
    write: (bytes) => Effect.sync(() => recorder.count(name, bytes.length))
  })

  const echo = tracked(
    "bytes_echo",
    Effect.map(Mailbox.make<Uint8Array>(32), (mailbox) => ({
      read: Mailbox.toStream(mailbox),
      write: (bytes) => {
        recorder.count("bytes_echo", bytes.length)
        return Effect.asVoid(mailbox.offer(bytes))
      },
      end: Effect.zipRight(recorder.record("bytes_echo:eof"), Effect.asVoid(mailbox.end))
    }))
  )

  const sink = (name: string, pause: Effect.Effect<void>) =>
    tracked(
      name,
      Effect.map(Deferred.make<Uint8Array>(), (report) => {
        const received = digest()
        return {
          read: Stream.fromEffect(Deferred.await(report)),
          write: (bytes) =>
            Effect.suspend(() => {
              received.add(bytes)
              recorder.count(name, bytes.length)
              return pause
            }),
          end: Effect.suspend(() =>
            Effect.zipRight(
              recorder.record(`${name}:eof:${received.size()}`),
              Deferred.succeed(report, utf8(JSON.stringify(received.report())))
            )
          )
        }
      })
    )

  const firstThen = (failure: DriverFailure.DriverFailure) =>
    Effect.succeed({ read: Stream.concat(Stream.make(utf8("first")), Stream.fail(failure)) })

  const endless = pattern(0, 65_536)

  return {
    connect: echo,
    bytes_echo: echo,
    source_fixed: tracked(
      "source_fixed",
      Effect.succeed({
        read: Stream.tap(
          Stream.fromIterable(patternChunks(fixedBytes)),
          (bytes) => Effect.sync(() => recorder.count("source_fixed", bytes.length))
        )
      })
    ),
    source_endless: tracked(
      "source_endless",
      Effect.succeed({
        read: Stream.repeatEffect(Effect.sync(() => {
          recorder.count("source_endless", endless.length)
          return endless
        }))
      })
    ),
    sink: sink("sink", Effect.void),
    sink_slow: sink("sink_slow", Effect.sleep("20 millis")),
    sink_stuck: tracked(
      "sink_stuck",
      Effect.succeed({
        write: (bytes) => {
          recorder.count("sink_stuck", bytes.length)
          return Effect.never
        }
      })
    ),
    fail_open: Driver.stream(
      Effect.zipRight(recorder.record("fail_open"), DriverFailure.make("Connection", "nope"))
    ),
    fail_mid: tracked("fail_mid", firstThen(DriverFailure.make("Other", "mid-stream failure"))),
    broken_mid: tracked("broken_mid", firstThen(DriverFailure.make("Connection", "the device broke"))),
    idle: tracked("idle", Effect.succeed({ ...counted("idle"), end: recorder.record("idle:eof") })),
    closing: tracked("closing", Effect.succeed({ ...counted("closing"), read: Stream.empty }))
  }
}

export const resources = (recorder: Recorder) => {
  const tracked = (
    name: string,
    body: (
      args: ReadonlyArray<JsonValue>,
      context: Driver.DriverContext
    ) => Effect.Effect<JsonValue | void, DriverFailure.DriverFailure, Scope.Scope>
  ) =>
    Driver.call((args, context) =>
      Effect.scoped(Effect.zipRight(recorder.track(name), Effect.scoped(body(args, context))))
    )

  // Reads a resource to its end, or until so many bytes have come.
  const read = Effect.fnUntraced(
    function*(
      name: string,
      resource: DriverResource,
      limit = Infinity,
      pause: Effect.Effect<void> = Effect.void
    ) {
      const received = digest()
      yield* Stream.runForEachWhile(resource.read, (chunk) =>
        Effect.suspend(() => {
          received.add(chunk)
          recorder.count(name, chunk.length)
          return Effect.as(pause, received.size() < limit)
        }))
      if (received.size() < limit) yield* recorder.record(`${name}:eof:${received.size()}`)
      return received.report()
    }
  )

  const write = Effect.fnUntraced(
    function*(name: string, resource: DriverResource, size: number, chunk: number) {
      const sent = digest()
      yield* resource.write(
        Stream.tap(Stream.fromIterable(patternChunks(size, chunk)), (bytes) =>
          Effect.sync(() => {
            sent.add(bytes)
            recorder.count(name, bytes.length)
          }))
      )
      return sent.report().sha256
    }
  )

  return {
    consume: tracked(
      "consume",
      ([handle], { resource }) => Effect.flatMap(resource(handle), (resource) => read("consume", resource))
    ),
    consume_partial: tracked(
      "consume_partial",
      ([handle, limit], { resource }) =>
        Effect.flatMap(resource(handle), (resource) => read("consume_partial", resource, number(limit)))
    ),
    consume_slow: tracked(
      "consume_slow",
      ([handle, delay], { resource }) =>
        Effect.flatMap(
          resource(handle),
          (resource) => read("consume_slow", resource, Infinity, Effect.sleep(`${number(delay, 0.01)} seconds`))
        )
    ),
    consume_fail: tracked("consume_fail", ([handle, after], { resource }) =>
      Effect.gen(function*() {
        const { size } = yield* read("consume_fail", yield* resource(handle), number(after))
        return yield* DriverFailure.make("Other", `consumer failed after ${size} bytes`)
      })),
    produce: tracked("produce", ([handle, size, chunk], { resource }) =>
      Effect.flatMap(
        resource(handle),
        (resource) => write("produce", resource, number(size), number(chunk, 65_536))
      )),
    produce_fail: tracked("produce_fail", ([handle, size], { resource }) =>
      Effect.gen(function*() {
        yield* write("produce_fail", yield* resource(handle), number(size), 65_536)
        return yield* DriverFailure.make("Other", `producer failed after ${number(size)} bytes`)
      })),
    transform: tracked("transform", ([handle], { resource }) =>
      Effect.gen(function*() {
        const opened = yield* resource(handle)
        const received = digest()
        yield* opened.write(Stream.map(opened.read, (chunk) => {
          received.add(chunk)
          return utf8(new TextDecoder().decode(chunk).toUpperCase())
        }))
        return received.size()
      })),
    ignore: Driver.call(() => recorder.record("ignore"))
  }
}
