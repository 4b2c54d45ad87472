import type { ConfigError, Effect, Layer, Option, Scope, Stream } from "effect"
import { Config, Redacted, Schedule, Schema } from "effect"
import { describe, expect, it } from "tstyche"
import type * as ConnectionState from "../src/client/ConnectionState.ts"
import * as ExporterConnection from "../src/client/ExporterConnection.ts"
import * as Endpoint from "../src/grpc/Endpoint.ts"
import type { GrpcStatusError } from "../src/grpc/GrpcStatus.ts"
import type * as ExporterStatus from "../src/protocol/ExporterStatus.ts"

declare const connection: ExporterConnection.Connection

describe("an endpoint", () => {
  it("is encoded as text by a schema without requirements", () => {
    expect(Endpoint.schemaFromString).type.toBe<Schema.Schema<Endpoint.Endpoint, string>>()
    expect(Schema.Struct({ bench: Endpoint.schemaFromString }).Type).type.toBe<{ readonly bench: Endpoint.Endpoint }>()
  })
})

describe("a connection", () => {
  it("fails with one error when it is made, and closes with its scope", () => {
    expect(ExporterConnection.fromEndpoint(Endpoint.unix("/s"))).type.toBe<
      Effect.Effect<ExporterConnection.Connection, ExporterConnection.ConnectError, Scope.Scope>
    >()
  })

  it("from the configuration accepts Effect's Config for the endpoint and every option", () => {
    expect(Endpoint.config("BENCH")).type.toBe<Config.Config<Endpoint.Endpoint>>()
    expect(ExporterConnection.layerConfig(Endpoint.config("BENCH"))).type.toBe<
      Layer.Layer<
        ExporterConnection.ExporterConnection,
        ExporterConnection.ConnectError | ConfigError.ConfigError
      >
    >()
    const endpoint = Config.withDefault(Endpoint.config("BENCH"), Endpoint.tcp("lab", 8090))
    expect(ExporterConnection.layerConfig).type.toBeCallableWith(endpoint, {
      passphrase: Config.redacted("PASSPHRASE"),
      readyTimeout: Config.duration("READY"),
      statusPolling: { idle: Config.duration("IDLE") },
      reconnect: Config.succeed(Schedule.spaced("1 second"))
    })
    expect(ExporterConnection.layerConfig).type.not.toBeCallableWith(Endpoint.tcp("lab", 8090))
    expect(ExporterConnection.layerConfig).type.not.toBeCallableWith(endpoint, { passphrase: Config.string("X") })
  })

  it("has the lease of the shell, if there is one", () => {
    expect(connection.metadata).type.toBe<Option.Option<ExporterConnection.ExporterMetadata>>()
  })

  it("is reconnected by a schedule that may inspect the failure, and has no requirements", () => {
    const fits = (schedule: Schedule.Schedule<unknown, ExporterConnection.ConnectError>) =>
      ExporterConnection.layer(Endpoint.unix("/s"), { reconnect: schedule })
    expect(fits).type.toBeCallableWith(Schedule.spaced("1 second"))
    expect(fits).type.toBeCallableWith(
      Schedule.recurWhile(({ reason }: ExporterConnection.ConnectError) => reason === "Unreachable")
    )
    expect(fits).type.not.toBeCallableWith(
      Schedule.recurWhile(({ code }: GrpcStatusError) => code === "UNAVAILABLE")
    )
  })

  it("accepts its passphrase only in redacted form, through a channel as well", () => {
    expect(ExporterConnection.layerChannel).type.toBeCallableWith({ passphrase: Redacted.make("sesame") })
    expect(ExporterConnection.layerChannel).type.not.toBeCallableWith({ passphrase: "sesame" })
    expect(ExporterConnection.layer).type.not.toBeCallableWith(Endpoint.unix("/s"), { passphrase: "sesame" })
  })

  it("has a state that can be read without failure", () => {
    expect(connection.state).type.toBe<Effect.Effect<ConnectionState.ConnectionState>>()
    expect(connection.stateChanges).type.toBe<Stream.Stream<ConnectionState.ConnectionState>>()
  })

  it("has a status to request, watch and await, each with its own errors", () => {
    expect(connection.status).type.toBe<Effect.Effect<ExporterStatus.StatusReport, GrpcStatusError>>()
    expect(connection.statusChanges).type.toBe<
      Stream.Stream<ExporterStatus.StatusChange, ExporterStatus.StatusNotReached>
    >()
    expect(connection.awaitStatus("AVAILABLE", "OFFLINE")).type.toBe<
      Effect.Effect<ExporterStatus.StatusReport, ExporterStatus.HookFailed | ExporterStatus.StatusNotReached>
    >()
    expect<Parameters<typeof connection.awaitStatus>>().type.not.toBeAssignableFrom<[]>()
    expect<Parameters<typeof connection.awaitStatus>>().type.not.toBeAssignableFrom<["READY"]>()
  })
})
