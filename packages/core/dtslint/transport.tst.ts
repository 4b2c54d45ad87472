import { type Effect, type Either, type Layer, pipe, type Redacted, type Scope } from "effect"
import { describe, expect, it } from "tstyche"
import * as Endpoint from "../src/grpc/Endpoint.ts"
import type { GrpcHandlers } from "../src/grpc/GrpcHandler.ts"
import type { GrpcStatusError } from "../src/grpc/GrpcStatus.ts"
import * as Metadata from "../src/grpc/Metadata.ts"
import * as ProtobufValue from "../src/protocol/ProtobufValue.ts"
import * as GrpcChannel from "../src/transport/GrpcChannel.ts"
import * as GrpcServer from "../src/transport/GrpcServer.ts"

declare const handlers: GrpcHandlers
declare const passphrase: Redacted.Redacted
declare const channel: GrpcChannel.Channel

describe("GrpcChannel", () => {
  it("layers have no requirements, and fail with a status when they cannot connect", () => {
    type Sockets = Layer.Layer<GrpcChannel.GrpcChannel, GrpcStatusError>
    expect(GrpcChannel.layer(Endpoint.unix("/x"))).type.toBe<Sockets>()
    const options = { connectTimeout: "1 second", transport: "nice-grpc" } as const
    expect(GrpcChannel.layer(Endpoint.tcp("lab", 1), options)).type.toBe<Sockets>()
    expect(GrpcChannel.layer).type.not.toBeCallableWith(Endpoint.unix("/x"), { transport: "memory" })
    expect(channel.transport).type.toBe<"http2" | "nice-grpc" | "memory">()
  })

  it("in memory cannot fail", () => {
    expect(GrpcChannel.layerMemory(handlers)).type.toBe<Layer.Layer<GrpcChannel.GrpcChannel>>()
    expect(GrpcChannel.fromHandlers(handlers)).type.toBe<Effect.Effect<typeof channel, never, Scope.Scope>>()
  })

  it("has no option for a passphrase", () => {
    expect(GrpcChannel.layer).type.not.toBeCallableWith(Endpoint.unix("/x"), { passphrase })
    expect(GrpcChannel.layerMemory).type.not.toBeCallableWith(handlers, { passphrase })
  })
})

describe("GrpcChannel.withMetadata", () => {
  it("accepts the channel first or last", () => {
    const metadata = Metadata.make({ a: "1" })
    expect(GrpcChannel.withMetadata(metadata)).type.toBe<(channel: GrpcChannel.Channel) => GrpcChannel.Channel>()
    expect(pipe(metadata, Metadata.merge(metadata), Metadata.set("a", "1"))).type.toBe<Metadata.Metadata>()
    expect(GrpcChannel.withMetadata).type.toBeCallableWith(channel, metadata)
    expect(GrpcChannel.withMetadata).type.not.toBeCallableWith(metadata, channel)
  })
})

describe("GrpcServer", () => {
  it("returns its endpoint and lives as long as a scope", () => {
    expect(GrpcServer.serve(handlers, { path: "/x" })).type.toBe<
      Effect.Effect<Endpoint.Endpoint, GrpcServer.GrpcServerError, Scope.Scope>
    >()
  })

  it("listens on a path or on a host and port", () => {
    expect(GrpcServer.serve).type.not.toBeCallableWith(handlers, { host: "lab" })
    expect<GrpcServer.Listen>().type.toBeAssignableFrom(Endpoint.unix("/x"))
    expect<GrpcServer.Listen>().type.toBeAssignableFrom(Endpoint.tcp("lab", 1))
    expect<GrpcServer.Listen>().type.toBeAssignableFrom<{ path: string; mode: number }>()
    expect<GrpcServer.Listen>().type.toBeAssignableFrom<{ host: string; port: number; insecure: boolean }>()
    // Without a certificate, it would be served in cleartext.
    expect<GrpcServer.Listen>().type.not.toBeAssignableFrom(Endpoint.tls("lab", 1))
    expect(GrpcServer.serve).type.not.toBeCallableWith(handlers, {
      host: "lab",
      port: 1,
      certificate: { chain: "", privateKey: "plain" }
    })
  })
})

describe("JsonValue", () => {
  it("accepts values that can be sent", () => {
    expect<ProtobufValue.JsonValue>().type.toBeAssignableFrom<null>()
    expect<ProtobufValue.JsonValue>().type.toBeAssignableFrom<{ readonly a: ReadonlyArray<number | null>; b: string }>()
    expect<ProtobufValue.JsonValue>().type.toBeAssignableFrom<Array<Array<boolean>>>()
  })

  it("rejects other values", () => {
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<undefined>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<{ a: string | undefined }>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<Date>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<Map<string, string>>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<bigint>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<symbol>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<() => void>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<unknown>()
    expect<ProtobufValue.JsonValue>().type.not.toBeAssignableFrom<Uint8Array>()
  })

  it("is decoded from bytes, and encoded to them, as an Either", () => {
    expect(ProtobufValue.decode(new Uint8Array())).type.toBe<
      Either.Either<ProtobufValue.JsonValue, ProtobufValue.ValueError>
    >()
    expect(ProtobufValue.encode).type.not.toBeCallableWith(new Date())
  })
})
