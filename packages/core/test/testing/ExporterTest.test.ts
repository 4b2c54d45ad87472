import type { DriverClient } from "@effect-jumpstarter/core"
import { Driver, DriverFailure, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { ExporterTest, FaultyExporter } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Stream } from "effect"

const bug = (): never => {
  throw new Error("a bug")
}

const stuck = () => DriverFailure.make("Device", "stuck", new Error("EIO"))

const device = Driver.make({
  client: "device",
  methods: {
    throwing: Driver.call(bug),
    dying: Driver.call(() => Effect.sync(bug)),
    items: Driver.streamingCall(() => Stream.fromEffect(Effect.sync(bug))),
    opening: Driver.stream(Effect.sync(bug)),
    reading: Driver.stream(Effect.succeed({
      read: Stream.fromEffect(Effect.sync(bug)),
      write: () => Effect.void,
      end: Effect.void
    })),
    flash: Driver.call(() => Effect.sync(bug)),
    failing: Driver.call(stuck),
    failingItems: Driver.streamingCall(() => Stream.fail(stuck()))
  }
})

type Use = (client: DriverClient.DriverClient) => Effect.Effect<unknown, unknown>

const bugs: ReadonlyArray<readonly [name: string, use: Use]> = [
  ["a handler that throws", (client) => client.call("throwing")],
  ["a call that dies", (client) => client.call("dying")],
  ["a streaming call", (client) => Stream.runDrain(client.streamingCall("items"))],
  ["opening a byte stream", (client) => Effect.scoped(client.stream("opening"))],
  [
    "reading a byte stream",
    (client) => Effect.scoped(Effect.flatMap(client.stream("reading"), ({ read }) => Stream.runDrain(read)))
  ],
  [
    "a call with a resource",
    (client) =>
      Effect.scoped(
        Effect.flatMap(client.resource(Resource.source(Stream.never)), (handle) => client.call("flash", handle))
      )
  ]
]

const causeOf = (error: unknown): unknown => error instanceof Error ? error.cause : undefined

for (
  const [name, layer] of [
    ["ExporterTest", ExporterTest.layer({ device })],
    ["FaultyExporter", FaultyExporter.layer({ device })]
  ] as const
) {
  describe(`${name} shows`, () => {
    it.layer(layer)((it) => {
      it.effect.each(bugs)("the stack of a driver's bug: %s", ([, use]) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(use(yield* ExporterConnection.driver("device")))
          const cause = causeOf(error)
          assert.strictEqual(cause instanceof Error ? cause.message : cause, "a bug")
          // The text that a failing test prints.
          assert.match(Cause.pretty(Cause.fail(error), { renderErrorCause: true }), /a bug[^]*ExporterTest\.test\.ts/)
        }))

      it.effect("a driver's failure and its cause", () =>
        Effect.gen(function*() {
          const client = yield* ExporterConnection.driver("device")
          for (const use of [client.call("failing"), Stream.runDrain(client.streamingCall("failingItems"))]) {
            const failure = causeOf(yield* Effect.flip(use))
            assert.include(String(failure), "stuck")
            assert.include(String(causeOf(failure)), "EIO")
          }
        }))
    })
  })
}
