// The byte streams and the resource methods of the probe; see interop/README.md for what each does.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as Driver from "../../src/host/Driver.ts"
import type { ByteStream } from "../../src/protocol/ByteStream.ts"
import * as DriverFailure from "../../src/protocol/DriverFailure.ts"
import { utf8 } from "./bytes.ts"
import type * as contract from "./probeContract.ts"
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

/** A device that sends nothing, accepts everything, and does nothing at the end. */
const deaf: Device = { read: Stream.never, write: () => Effect.void, end: Effect.void }

export const byteStreams = (recorder: Recorder): contract.Handlers<typeof contract.byteStreams> => {
  const tracked = (
    name: string,
    open: Effect.Effect<Partial<Device>, DriverFailure.DriverFailure, Scope.Scope>
  ) => Effect.map(Effect.zipRight(recorder.track(name), open), (device): Device => ({ ...deaf, ...device }))

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
    fail_open: Effect.zipRight(recorder.record("fail_open"), DriverFailure.make("Connection", "nope")),
    fail_mid: tracked("fail_mid", firstThen(DriverFailure.make("Other", "mid-stream failure"))),
    broken_mid: tracked("broken_mid", firstThen(DriverFailure.make("Connection", "the device broke"))),
    idle: tracked("idle", Effect.succeed({ ...counted("idle"), end: recorder.record("idle:eof") })),
    closing: tracked("closing", Effect.succeed({ ...counted("closing"), read: Stream.empty }))
  }
}

type Write = (bytes: Stream.Stream<Uint8Array, DriverFailure.DriverFailure>) => Effect.Effect<
  void,
  DriverFailure.DriverFailure
>

const track = (recorder: Recorder, name: string) =>
<Args extends ReadonlyArray<unknown>, A>(
  body: (...args: Args) => Effect.Effect<A, DriverFailure.DriverFailure>
) =>
(...args: Args): Effect.Effect<A, DriverFailure.DriverFailure> =>
  Effect.scoped(Effect.zipRight(recorder.track(name), Effect.suspend(() => body(...args))))

export const resources = (recorder: Recorder): contract.Handlers<typeof contract.resources> => {
  // Reads a resource to its end, or up to a number of bytes.
  const read = Effect.fnUntraced(
    function*(
      name: string,
      source: Stream.Stream<Uint8Array, DriverFailure.DriverFailure>,
      limit = Infinity,
      pause: Effect.Effect<void> = Effect.void
    ) {
      const received = digest()
      yield* Stream.runForEachWhile(source, (chunk) =>
        Effect.suspend(() => {
          received.add(chunk)
          recorder.count(name, chunk.length)
          return Effect.as(pause, received.size() < limit)
        }))
      if (received.size() < limit) yield* recorder.record(`${name}:eof:${received.size()}`)
      return received.report()
    }
  )

  const produce = Effect.fnUntraced(
    function*(name: string, write: Write, size: number, chunk: number) {
      const sent = digest()
      yield* write(
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
    consume: track(recorder, "consume")((source) => read("consume", source)),
    consume_partial: track(recorder, "consume_partial")((source, limit) => read("consume_partial", source, limit)),
    consume_slow: track(recorder, "consume_slow")((source, delay) =>
      read("consume_slow", source, Infinity, Effect.sleep(`${delay} seconds`))
    ),
    consume_fail: track(recorder, "consume_fail")((source, after) =>
      Effect.flatMap(
        read("consume_fail", source, after),
        ({ size }) => DriverFailure.make("Other", `consumer failed after ${size} bytes`)
      )
    ),
    produce: track(recorder, "produce")((write, size, chunk) => produce("produce", write, size, chunk)),
    produce_fail: track(recorder, "produce_fail")((write, size) =>
      Effect.zipRight(
        produce("produce_fail", write, size, 65_536),
        DriverFailure.make("Other", `producer failed after ${size} bytes`)
      )
    ),
    ignore: () => recorder.record("ignore")
  }
}

/** Both directions of one resource. */
export const transform = (recorder: Recorder): Driver.DriverHandler =>
  Driver.call(([handle], { resource }) =>
    track(recorder, "transform")(() =>
      Effect.scoped(Effect.flatMap(resource(handle), ({ read, write }) => {
        const received = digest()
        const upperCased = Stream.map(read, (chunk) => {
          received.add(chunk)
          return utf8(new TextDecoder().decode(chunk).toUpperCase())
        })
        return Effect.map(write(upperCased), received.size)
      }))
    )()
  )
