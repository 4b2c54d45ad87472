// Python exporters know nothing of traces, and are not disturbed by the context of one.
import { it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"
import * as spans from "../support/spans.ts"

it.scopedLive("calls of a Python exporter are traced", () => {
  const seen = spans.make()
  return Effect.gen(function*() {
    const { ready } = yield* process.start(python.exporter(), [])
    const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(ready.unix))
    const probe = yield* connection.driver("probe")
    deepStrictEqual(yield* probe.call("echo", 1), [1])
    yield* Stream.runDrain(probe.streamingCall("count", 3))
    yield* Effect.scoped(Effect.gen(function*() {
      const stream = yield* probe.stream("bytes_echo")
      yield* stream.write(new Uint8Array(3))
      yield* stream.end
      yield* Stream.runDrain(stream.read)
    }))
    yield* Effect.flip(probe.call("fail", "runtime", "no"))
    deepStrictEqual(
      seen.ended.map(({ attributes, kind, name }) => [
        kind,
        name,
        attributes["rpc.grpc.status_code"],
        attributes["jumpstarter.bytes_received"]
      ]),
      [
        ["client", "call probe.echo", 0, undefined],
        ["client", "streaming call probe.count", 0, undefined],
        ["client", "stream probe.bytes_echo", 0, 3],
        ["client", "call probe.fail", 2, undefined]
      ]
    )
  }).pipe(Effect.withTracer(seen.tracer))
})
