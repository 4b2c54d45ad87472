// A session with the real Python exporter is recorded, the exporter killed, and the program run again without it.
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as Resource from "../../src/resource/Resource.ts"
import * as Recording from "../../src/testing/Recording.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { text, utf8 } from "../support/bytes.ts"
import { patternChunks, sha256 } from "../support/probePattern.ts"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"
import { hashing } from "../testing/bench.ts"
import { file, lines, outcome } from "../testing/recordings.ts"

const passphrase = "correct horse battery staple"

const size = 300_000

const program = (argument: string) =>
  Effect.gen(function*() {
    const connection = yield* ExporterConnection.ExporterConnection
    const [power, probe, echo] = yield* Effect.all(["power", "probe", "echo"].map((name) => connection.driver(name)))
    if (power === undefined || probe === undefined || echo === undefined) return yield* Effect.dieMessage("no drivers")
    const logged = yield* Effect.fork(
      Stream.runHead(Stream.filter(connection.logs, (event) => event._tag === "LogEntry" && event.message === "hot"))
    )
    yield* power.call("on")
    const readings = Chunk.toReadonlyArray(yield* Stream.runCollect(power.streamingCall("read")))
    const echoed = yield* probe.call("echo", argument, [1, { deep: null }])
    const values = yield* probe.call("values")
    const refused = yield* outcome(probe.call("fail", "timeout", "too late"))
    const missing = yield* outcome(probe.call("no_such_method"))
    const broken = yield* outcome(Stream.runDrain(probe.streamingCall("fail_after", 2, "runtime", "mid-stream")))
    const heard = yield* Effect.scoped(Effect.gen(function*() {
      const stream = yield* echo.stream("connect")
      yield* stream.write(utf8("printenv\n"))
      return Option.map(yield* Stream.runHead(stream.read), text)
    }))
    const consumed = yield* Effect.scoped(
      Effect.flatMap(
        probe.resource(Resource.source(Stream.fromIterable(patternChunks(size)))),
        (handle) => probe.call("consume", handle)
      )
    )
    const produced = yield* Effect.scoped(Effect.gen(function*() {
      const handle = yield* probe.resource(Resource.sink(hashing))
      return [yield* probe.call("produce", handle, size), yield* handle.result]
    }))
    yield* probe.call("log", "WARNING", "hot")
    yield* logged
    const status = yield* connection.status
    yield* power.call("off")
    return {
      tree: [...connection.root.children.keys()],
      readings,
      echoed,
      values,
      refused,
      missing,
      broken,
      heard,
      consumed,
      produced,
      status: status.status
    }
  })

it.scopedLive("what the Python exporter said is said again without it", () =>
  Effect.gen(function*() {
    const path = yield* file
    const exporter = yield* process.start(python.exporter(), ["--passphrase", passphrase])
    const endpoint = yield* Endpoint.parse(exporter.ready.passphraseTcp ?? "", { security: "insecure" })
    const run = (channel: GrpcChannel.Channel, argument: string, options?: ExporterConnection.ConnectOptions) =>
      Effect.scoped(
        Effect.flatMap(
          ExporterConnection.fromChannel(channel, options),
          (connection) => Effect.provideService(program(argument), ExporterConnection.ExporterConnection, connection)
        )
      )
    const recorded = yield* Effect.scoped(Effect.gen(function*() {
      const channel = yield* GrpcChannel.fromEndpoint(endpoint)
      return yield* run(yield* Recording.record(channel, path), "same", { passphrase: Redacted.make(passphrase) })
    }))
    yield* exporter.kill
    assert.deepStrictEqual(recorded.consumed, { size, sha256: sha256(patternChunks(size)) })
    assert.deepStrictEqual(recorded.heard, Option.some("printenv\n"))

    const begun = yield* Clock.currentTimeMillis
    const replay = (argument: string) =>
      Effect.scoped(Effect.flatMap(Recording.replay(path), ({ channel }) => run(channel, argument)))
    assert.deepStrictEqual(yield* replay("same"), recorded)
    assert.isBelow((yield* Clock.currentTimeMillis) - begun, 5_000)

    const told = String(yield* outcome(replay("other"))).split("\n")
    assert.include(told[0] ?? "", `call probe.echo("other", [1,{"deep":null}]) is not in the recording`)
    assert.strictEqual(told[2], `  arguments[0]: recorded "same", got "other"`)

    const content = yield* Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.readFileString(path))
    assert.isFalse(content.includes(passphrase))
    assert.isTrue((yield* lines(path)).length > 20)
  }).pipe(Effect.provide(NodeFileSystem.layer)), 60_000)
