// The content of a recording, and the replay to a program that behaves the same.
import { Driver, Exporter, ExporterConnection, GrpcChannel, GrpcHandler } from "@effect-jumpstarter/core"
import { Faults, FaultyExporter, Recording } from "@effect-jumpstarter/core/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Mailbox, Option, Schedule, Stream, TestClock } from "effect"
import * as Metadata from "../../src/grpc/Metadata.ts"
import { text, utf8 } from "../support/bytes.ts"
import * as bench from "./bench.ts"
import { events, file, lines, outcome, record, replay } from "./recordings.ts"

const everything = Effect.gen(function*() {
  const connection = yield* ExporterConnection.ExporterConnection
  const power = yield* bench.power
  return {
    on: yield* power.call("on"),
    set: yield* power.call("set", 12, { channel: "main" }),
    broken: yield* outcome(power.call("broken")),
    missing: yield* outcome(power.call("missing")),
    refused: yield* outcome(power.call("set", NaN)),
    counted: Array.from(yield* Stream.runCollect(power.streamingCall("count", 3))),
    some: Array.from(yield* Stream.runCollect(Stream.take(power.streamingCall("count", 100), 2))),
    talk: (yield* bench.converse("hello\n", "\0\u0001")).heard,
    taken: yield* outcome(
      Effect.scoped(Effect.flatMap(ExporterConnection.driver("console"), (client) => client.stream("refused")))
    ),
    broke: yield* outcome(Effect.scoped(
      Effect.flatMap(
        Effect.flatMap(ExporterConnection.driver("console"), (client) => client.stream("fragile")),
        ({ write }) => Effect.forever(write(utf8("hit")))
      )
    )),
    upload: yield* bench.upload("0123456789"),
    download: (yield* bench.download("abcdefgh")).received,
    status: (yield* connection.status).status,
    relay: yield* Effect.flatMap(ExporterConnection.driver("group.relay"), (relay) => relay.call("off"))
  }
})

describe("a recording", () => {
  it.scoped("accepts a clock that is set back", () =>
    Effect.gen(function*() {
      const path = yield* file
      const program = Effect.gen(function*() {
        const power = yield* bench.power
        yield* TestClock.setTime(-60_000)
        return yield* power.call("on")
      })
      assert.isNull(yield* record(path, program))
      assert.isNull(yield* replay(path, program))
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("returns to a program the same results as the exporter", () =>
    Effect.gen(function*() {
      const path = yield* file
      const recorded = yield* record(path, everything)
      assert.strictEqual(recorded.talk, "hello\n\0\u0001bye")
      assert.strictEqual(recorded.taken, "stream console.refused failed (UNAVAILABLE): the port is taken")
      assert.strictEqual(recorded.broke, "stream console.fragile failed (INTERNAL): it broke")
      // Twice, because a replay must not consume the recording.
      assert.deepStrictEqual(yield* replay(path, everything), recorded)
      assert.deepStrictEqual(yield* replay(path, everything), recorded)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("is text, with one event per line", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* record(
        path,
        Effect.gen(function*() {
          const power = yield* bench.power
          yield* power.call("set", 12, { channel: "main" })
          yield* outcome(power.call("broken"))
          yield* Stream.runDrain(Stream.take(power.streamingCall("count", 1), 1))
          yield* bench.converse("printenv\n", "\0\u0001")
          yield* bench.upload("abc")
        })
      )
      const [header, ...rest] = yield* lines(path)
      assert.strictEqual(header, `{"recording":"effect-jumpstarter","version":1}`)
      const handle =
        `{"kind":"client_stream","uuid":"00000000-0000-4000-8000-000000000007","x_jmp_content_encoding":null}`
      assert.deepStrictEqual(
        // The report is long, and other tests cover it.
        rest.filter((line) => !line.startsWith(`{"rpc":1,`)).map((line) => line.replace(/"at":\d+/, `"at":0`)),
        [
          `{"rpc":2,"at":0,"event":"begin","kind":"status"}`,
          `{"rpc":2,"at":0,"event":"received","value":{"status":"LEASE_READY","message":"","version":"0"}}`,
          `{"rpc":3,"at":0,"event":"begin","kind":"call","driver":"power","method":"set","args":[12,{"channel":"main"}]}`,
          `{"rpc":3,"at":0,"event":"received","value":[12,{"channel":"main"}]}`,
          `{"rpc":4,"at":0,"event":"begin","kind":"call","driver":"power","method":"broken","args":[]}`,
          `{"rpc":4,"at":0,"event":"end","failure":` +
          `{"code":"DEADLINE_EXCEEDED","details":"the relay did not answer","origin":"peer","scope":"rpc"}}`,
          `{"rpc":5,"at":0,"event":"begin","kind":"streamingCall","driver":"power","method":"count","args":[1]}`,
          `{"rpc":5,"at":0,"event":"received","value":1}`,
          `{"rpc":5,"at":0,"event":"cancel"}`,
          `{"rpc":6,"at":0,"event":"begin","kind":"stream","driver":"console","method":"connect"}`,
          `{"rpc":6,"at":0,"event":"opened","metadata":{"x-jumpstarter-host":"effect-jumpstarter"}}`,
          `{"rpc":6,"at":0,"event":"sent","data":{"bytes":9,"text":"printenv\\n"}}`,
          `{"rpc":6,"at":0,"event":"sent","data":{"bytes":2,"base64":"AAE="}}`,
          `{"rpc":6,"at":0,"event":"sentEnd"}`,
          `{"rpc":6,"at":0,"event":"received","data":{"bytes":9,"text":"printenv\\n"}}`,
          `{"rpc":6,"at":0,"event":"received","data":{"bytes":2,"base64":"AAE="}}`,
          `{"rpc":6,"at":0,"event":"received","data":{"bytes":3,"text":"bye"}}`,
          `{"rpc":6,"at":0,"event":"receivedEnd"}`,
          `{"rpc":6,"at":0,"event":"end"}`,
          `{"rpc":7,"at":0,"event":"begin","kind":"resource","driver":"storage"}`,
          `{"rpc":7,"at":0,"event":"opened","metadata":{` +
          `"resource":${JSON.stringify(handle)},"x_jmp_accept_encoding":""}}`,
          `{"rpc":8,"at":0,"event":"begin","kind":"call","driver":"storage","method":"write","args":[${handle}]}`,
          `{"rpc":7,"at":0,"event":"sent","data":{"bytes":3,"text":"abc"}}`,
          `{"rpc":7,"at":0,"event":"sentEnd"}`,
          `{"rpc":8,"at":0,"event":"received","value":3}`,
          `{"rpc":7,"at":0,"event":"receivedEnd"}`,
          `{"rpc":7,"at":0,"event":"cancel"}`
        ]
      )
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("has the metadata of an RPC once, even when the first fiber that waited for it is interrupted", () =>
    Effect.gen(function*() {
      const path = yield* file
      const opened = yield* Deferred.make<void>()
      const handlers = new Map([[
        "/jumpstarter.v1.RouterService/Stream",
        GrpcHandler.GrpcHandler.Duplex({
          handle: ({ sendInitialMetadata }) =>
            Effect.zipRight(Deferred.await(opened), sendInitialMetadata(Metadata.make({ "x-board": "revision 3" })))
        })
      ]])
      yield* Effect.scoped(Effect.gen(function*() {
        const channel = yield* Recording.record(yield* GrpcChannel.fromHandlers(handlers), path)
        const { initialMetadata } = yield* channel.duplex("/jumpstarter.v1.RouterService/Stream", {
          metadata: Metadata.make({ request: `{"kind":"driver","uuid":"","method":"connect"}` })
        })
        const first = yield* Effect.fork(Effect.timeoutOption(initialMetadata, "1 second"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(first), Option.none())
        yield* Deferred.succeed(opened, undefined)
        for (let count = 0; count < 2; count++) {
          assert.deepStrictEqual(yield* initialMetadata, Metadata.make({ "x-board": "revision 3" }))
        }
      }))
      assert.deepStrictEqual((yield* events(path)).map(({ event }) => event), ["begin", "opened", "cancel"])
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("has the path of every driver, and treats proxies as one driver", () =>
    Effect.gen(function*() {
      const path = yield* file
      const uuids = Effect.gen(function*() {
        const [power, relay] = yield* Effect.all([bench.power, ExporterConnection.driver("group.relay")])
        return [power.uuid, relay.uuid, power.labels, relay.path]
      })
      const [power, relay, ...rest] = yield* record(path, uuids)
      const replayed = yield* replay(path, uuids)
      assert.strictEqual(power, relay)
      assert.deepStrictEqual(replayed, [
        "00000000-0000-4000-8000-000000000003",
        "00000000-0000-4000-8000-000000000003",
        ...rest
      ])
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("keeps failures of the transport, and separates the drivers of a restarted exporter", () =>
    Effect.gen(function*() {
      const path = yield* file
      const program = Effect.gen(function*() {
        const { driver } = yield* ExporterConnection.fromChannel(yield* GrpcChannel.GrpcChannel)
        return yield* driver("power")
      })
      const run = (control?: FaultyExporter.Control) =>
        Effect.gen(function*() {
          const before = yield* program
          if (control !== undefined) yield* control.next({ method: "on" }, Faults.drop("after", { downFor: 0 }))
          const lost = yield* outcome(before.call("on"))
          if (control !== undefined) yield* control.restart
          const after = yield* program
          return [lost, yield* after.call("off"), before.uuid === after.uuid]
        }).pipe(Effect.scoped)
      const { drivers } = yield* bench.make
      const { channel, control } = yield* FaultyExporter.make(drivers)
      const recorded = yield* Effect.provide(
        run(control),
        Layer.provide(Recording.layerRecord(path), Layer.succeed(GrpcChannel.GrpcChannel, channel))
      )
      assert.deepStrictEqual(recorded, [
        "call power.on lost its connection, outcome unknown (UNAVAILABLE): Connection dropped",
        null,
        false
      ])
      assert.deepStrictEqual(yield* Effect.provide(run(), Recording.layerReplay(path)), recorded)
      const calls = (yield* events(path)).filter(({ kind }) => kind === "call")
      assert.deepStrictEqual(calls.map(({ driver }) => driver), ["power", "power#2"])
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("keeps results that JSON cannot express", () =>
    Effect.gen(function*() {
      const path = yield* file
      const odd = Driver.make({ client: "test.Odd", methods: { zero: Driver.call(() => Effect.succeed(-0)) } })
      const exporter = yield* Exporter.make(Driver.composite({ odd }))
      const program = Effect.flatMap(ExporterConnection.driver("odd"), (odd) => odd.call("zero"))
      const channel = Layer.provide(Recording.layerRecord(path), GrpcChannel.layerMemory(exporter.handlers))
      assert.isTrue(
        Object.is(yield* Effect.provide(program, Layer.provide(ExporterConnection.layerChannel(), channel)), -0)
      )
      assert.isTrue(Object.is(yield* replay(path, program), -0))
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe("what comes from the exporter", () => {
  // A board whose console sends text when its power is switched.
  const board = Effect.gen(function*() {
    const said = yield* Mailbox.make<Uint8Array>()
    const say = (line: string) => Effect.zipRight(Effect.log(line), said.offer(utf8(line)))
    return {
      power: Driver.make({
        client: "test.Power",
        methods: {
          on: Driver.call(() => Effect.asVoid(say("booting"))),
          off: Driver.call(() => Effect.asVoid(say("going down")))
        }
      }),
      console: Driver.make({
        client: "test.Console",
        methods: {
          connect: Driver.stream(
            Effect.succeed({ read: Mailbox.toStream(said), write: () => Effect.void, end: Effect.void })
          )
        }
      })
    }
  })

  it.scoped("arrives only after the program has made the steps recorded before it", () =>
    Effect.gen(function*() {
      const path = yield* file
      const program = Effect.gen(function*() {
        const connection = yield* ExporterConnection.ExporterConnection
        const seen: Array<string> = []
        const see = (what: string) => Effect.sync(() => void seen.push(what))
        const power = yield* connection.driver("power")
        const console = yield* connection.driver("console")
        const { read } = yield* console.stream("connect")
        yield* Effect.forkScoped(Stream.runForEach(connection.logs, (event) =>
          event._tag === "LogEntry" && event.operation._tag === "Some" && event.message.includes("o")
            ? see(`log: ${event.message}`)
            : Effect.void))
        yield* Effect.forkScoped(Stream.runForEach(read, (bytes) =>
          see(`console: ${text(bytes)}`)))
        for (const method of ["on", "off"]) {
          yield* bench.settled
          yield* see(method)
          yield* power.call(method)
          yield* bench.eventually(() =>
            seen.filter((what) => what.startsWith("console")).length === (method === "on" ? 1 : 2)
          )
        }
        yield* bench.settled
        return seen.filter((what) => !what.includes("Operation"))
      }).pipe(Effect.scoped)
      const exporter = yield* Exporter.make(Driver.composite(yield* board), { localLogs: false })
      const channel = Layer.provide(Recording.layerRecord(path), GrpcChannel.layerMemory(exporter.handlers))
      const recorded = yield* Effect.provide(program, Layer.provide(ExporterConnection.layerChannel(), channel))
      assert.sameMembers(recorded, [
        "on",
        "console: booting",
        "log: booting",
        "off",
        "console: going down",
        "log: going down"
      ])
      const replayed = yield* replay(path, program)
      assert.sameMembers(replayed, recorded)
      assert.isTrue(replayed.indexOf("log: going down") > replayed.indexOf("off"))
      assert.isTrue(replayed.indexOf("console: booting") > replayed.indexOf("on"))
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("arrives at once, or at its recorded time", () =>
    Effect.gen(function*() {
      const path = yield* file
      const program = Effect.gen(function*() {
        const power = yield* bench.power
        const [elapsed] = yield* Effect.timed(power.call("slow"))
        return Duration.toSeconds(elapsed)
      })
      const recording = yield* Effect.fork(record(path, program))
      assert.strictEqual(yield* bench.passTime(recording), 60)
      assert.strictEqual(yield* replay(path, program), 0)
      const replaying = yield* Effect.fork(replay(path, program, { timing: "recorded" }))
      assert.strictEqual(yield* bench.passTime(replaying), 60)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("can be polled on a timer", () =>
    Effect.gen(function*() {
      const path = yield* file
      const polls = (times: number) =>
        Effect.gen(function*() {
          const { status } = yield* ExporterConnection.ExporterConnection
          const power = yield* bench.power
          const ask = Effect.map(Effect.repeatN(Effect.zip(status, power.call("set", 1)), times - 1), () => "asked")
          return [yield* ask, yield* power.call("on"), yield* ask]
        })
      yield* record(path, polls(3))
      for (const times of [1, 3, 20]) {
        assert.deepStrictEqual(
          yield* replay(path, polls(times), { polled: [{ driver: "power", method: "set" }] }),
          ["asked", null, "asked"]
        )
      }
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("is the status of that time, for any number of polls", () =>
    Effect.gen(function*() {
      const path = yield* file
      const program = (control: FaultyExporter.Control | undefined, times: number) =>
        Effect.gen(function*() {
          const { driver, status } = yield* ExporterConnection.fromChannel(yield* GrpcChannel.GrpcChannel)
          const power = yield* driver("power")
          const ask = Effect.map(
            Effect.repeatN(status, times - 1),
            ({ status, version }) => [status, Option.getOrThrow(version)]
          )
          const before = yield* ask
          yield* power.call("on")
          if (control !== undefined) yield* control.setStatus("AFTER_LEASE_HOOK")
          return [before, yield* ask]
        }).pipe(Effect.scoped)
      const { channel, control } = yield* FaultyExporter.make((yield* bench.make).drivers)
      const recorded = yield* Effect.provide(
        program(control, 2),
        Layer.provide(Recording.layerRecord(path), Layer.succeed(GrpcChannel.GrpcChannel, channel))
      )
      assert.deepStrictEqual(recorded, [["LEASE_READY", 0n], ["AFTER_LEASE_HOOK", 1n]])
      for (const times of [1, 5]) {
        const replayed = yield* Effect.provide(program(undefined, times), Recording.layerReplay(path))
        assert.deepStrictEqual(replayed, recorded, `asked ${times} times`)
      }
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("is a loss to a connection that reconnects and watches the status meanwhile", () =>
    Effect.gen(function*() {
      const path = yield* file
      const program = (control?: FaultyExporter.Control) =>
        Effect.gen(function*() {
          const connection = yield* ExporterConnection.fromChannel(yield* GrpcChannel.GrpcChannel, {
            reconnect: Schedule.spaced("1 second")
          })
          const statuses: Array<string> = []
          yield* Effect.forkScoped(
            Stream.runForEach(connection.statusChanges, ({ status }) => Effect.sync(() => void statuses.push(status)))
          )
          yield* bench.settled
          const power = yield* connection.driver("power")
          yield* power.call("on")
          if (control !== undefined) {
            yield* control.next({ method: "off" }, Faults.drop("before", { downFor: "3 seconds" }))
          }
          const lost = yield* outcome(power.call("off"))
          if (control !== undefined) {
            yield* control.setStatus("AFTER_LEASE_HOOK")
          }
          const again = yield* power.call("off")
          yield* Effect.sleep("1 minute")
          return { lost, again, statuses }
        }).pipe(Effect.scoped)
      const { channel, control } = yield* FaultyExporter.make((yield* bench.make).drivers)
      const recording = yield* Effect.fork(Effect.provide(
        program(control),
        Layer.provide(Recording.layerRecord(path), Layer.succeed(GrpcChannel.GrpcChannel, channel))
      ))
      const recorded = yield* bench.passTime(recording)
      assert.deepStrictEqual(recorded, {
        lost: "call power.off lost its connection, outcome unknown (UNAVAILABLE): Connection dropped",
        again: null,
        statuses: ["LEASE_READY", "AFTER_LEASE_HOOK"]
      })
      const replaying = yield* Effect.fork(Effect.provide(program(), Recording.layerReplay(path)))
      assert.deepStrictEqual(yield* bench.passTime(replaying), recorded)
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})
