import type { Duration, Effect, Scope, Sink, Stream } from "effect"
import { describe, expect, it } from "tstyche"
import type * as DriverClient from "../src/client/DriverClient.ts"
import type * as DriverError from "../src/protocol/DriverError.ts"
import type { JsonValue } from "../src/protocol/ProtobufValue.ts"
import * as ContentEncoding from "../src/resource/ContentEncoding.ts"
import * as Resource from "../src/resource/Resource.ts"

declare const client: DriverClient.DriverClient

class DiskError {
  readonly _tag = "DiskError"
}

class Disk {
  readonly _tag = "Disk"
}

declare const image: Stream.Stream<Uint8Array, DiskError, Disk>
declare const digest: Sink.Sink<string, Uint8Array, never, DiskError, Disk>
declare const infallible: Resource.ResourceHandle<number, never>
declare const fallible: Resource.ResourceHandle<void, DiskError>
declare const other: Resource.ResourceHandle<void, Duration.Duration>

declare const sourceOrText: Resource.Source<void, never, never> | string
declare const json: JsonValue
declare const handles: ReadonlyArray<JsonValue | Resource.ResourceHandle<void, DiskError>>

describe("call", () => {
  it("fails only with driver call errors when no argument is a resource", () => {
    expect(client.call("on")).type.toBe<Effect.Effect<JsonValue, DriverError.DriverCallError>>()
    expect(client.call("set", 1, "a", null, [true], { a: 1 })).type.toBe<
      Effect.Effect<JsonValue, DriverError.DriverCallError>
    >()
    expect(client.streamingCall("read")).type.toBe<Stream.Stream<JsonValue, DriverError.DriverCallError>>()
  })

  it("also fails with the errors of a resource's transfer", () => {
    expect(client.call("flash", fallible)).type.toBe<
      Effect.Effect<JsonValue, DriverError.DriverCallError | DiskError>
    >()
    expect(client.call("flash", fallible, 1, other)).type.toBe<
      Effect.Effect<JsonValue, DriverError.DriverCallError | DiskError | Duration.Duration>
    >()
    expect(client.streamingCall("flash", "a", fallible)).type.toBe<
      Stream.Stream<JsonValue, DriverError.DriverCallError | DiskError>
    >()
  })

  it("adds no error for a resource that cannot fail", () => {
    expect(client.call("dump", infallible)).type.toBe<Effect.Effect<JsonValue, DriverError.DriverCallError>>()
  })

  it("rejects values that cannot be sent", () => {
    expect(client.call).type.not.toBeCallableWith("set", new Date())
    expect(client.call).type.not.toBeCallableWith("set", undefined)
    expect(client.call).type.not.toBeCallableWith("set", 1n)
    expect(client.call).type.not.toBeCallableWith("set", { at: new Date() })
    expect(client.call).type.not.toBeCallableWith("set", () => 1)
    expect(client.call).type.not.toBeCallableWith()
  })

  it("tells how to open a resource that is not open", () => {
    // @ts-expect-error: is not assignable to parameter of type '"open it first: pass the handle that `yield* client.resource(...)` gives"'
    void client.call("flash", Resource.source(image))
    // @ts-expect-error: is not assignable to parameter of type '"open it first: pass the handle that `yield* client.resource(...)` gives"'
    void client.call("flash", 1, Resource.source(image, { size: 1 }))
    // @ts-expect-error: is not assignable to parameter of type '"open it first: pass the handle that `yield* client.resource(...)` gives"'
    void client.call("dump", Resource.sink(digest))
    // @ts-expect-error: is not assignable to parameter of type '"open it first: pass the handle that `yield* client.resource(...)` gives"'
    void client.streamingCall("flash", Resource.source(image))
    // @ts-expect-error: Type 'Source<void, never, never>' is not assignable to type 'string'.
    void client.call("flash", sourceOrText)
  })

  it("tells how to run an effect", () => {
    // @ts-expect-error: is not assignable to parameter of type '"run it first: pass the result of `yield*`"'
    void client.call("flash", client.resource(Resource.source(image)))
    // @ts-expect-error: is not assignable to parameter of type '"run it first: pass the result of `yield*`"'
    void client.call("flash", Resource.fromFile("image"))
    // @ts-expect-error: is not assignable to parameter of type '"run it first: pass the result of `yield*`"'
    void client.streamingCall("set", client.call("get"))
  })

  it("accepts data tagged as a resource, any JSON, handles, and presigned requests", () => {
    type Success = Effect.Effect<JsonValue, DriverError.DriverCallError>
    expect(client.call("set", { _tag: "Source", stream: "main" })).type.toBe<Success>()
    expect(client.call("set", json)).type.toBe<Success>()
    expect(client.call("flash", Resource.presigned("https://images.example/board.img"))).type.toBe<Success>()
    expect(client.call("flash", ...handles)).type.toBe<
      Effect.Effect<JsonValue, DriverError.DriverCallError | DiskError>
    >()
  })
})

describe("resource", () => {
  it("of a source has no result, adds its error to the call, and its requirements to the opening", () => {
    expect(client.resource(Resource.source(image, { contentEncoding: "gzip" }))).type.toBe<
      Effect.Effect<Resource.ResourceHandle<void, DiskError>, DriverError.DriverCallError, Disk | Scope.Scope>
    >()
  })

  it("that declares its size can fail with SizeMismatch", () => {
    type Failure = DiskError | Resource.SizeMismatch
    expect(client.resource(Resource.source(image, { size: 1 }))).type.toBe<
      Effect.Effect<Resource.ResourceHandle<void, Failure>, DriverError.DriverCallError, Disk | Scope.Scope>
    >()
    expect(client.resource(Resource.sink(digest, { size: 1 }))).type.toBe<
      Effect.Effect<Resource.ResourceHandle<string, Failure>, DriverError.DriverCallError, Disk | Scope.Scope>
    >()
  })

  it("of a sink has the sink's result", () => {
    expect(client.resource(Resource.sink(digest))).type.toBe<
      Effect.Effect<Resource.ResourceHandle<string, DiskError>, DriverError.DriverCallError, Disk | Scope.Scope>
    >()
    expect<Resource.ResourceHandle<string, DiskError>["result"]>().type.toBe<
      Effect.Effect<string, DiskError | DriverError.DriverCallError>
    >()
  })

  it("accepts only existing encodings", () => {
    expect(Resource.source).type.not.toBeCallableWith(image, { contentEncoding: "rar" })
  })
})

describe("ContentEncoding", () => {
  type Recoded = Stream.Stream<Uint8Array, DiskError | ContentEncoding.ContentEncodingError, Disk>

  it("adds its own failure to those of the stream, with the stream first and in a pipe", () => {
    expect(ContentEncoding.encode(image, "gzip")).type.toBe<Recoded>()
    expect(ContentEncoding.decode(image, "gzip")).type.toBe<Recoded>()
    expect(image.pipe(ContentEncoding.encode("gzip"), ContentEncoding.decode("gzip"))).type.toBe<Recoded>()
  })

  it("takes the encodings that there are", () => {
    expect(ContentEncoding.encode).type.not.toBeCallableWith("brotli")
    expect(ContentEncoding.decode).type.not.toBeCallableWith(image, "brotli")
  })
})

describe("stream", () => {
  it("needs a scope, and fails with driver call errors when opened, read and written", () => {
    expect(client.stream("connect")).type.toBe<
      Effect.Effect<DriverClient.DriverStream, DriverError.DriverCallError, Scope.Scope>
    >()
    expect<DriverClient.DriverStream["read"]>().type.toBe<Stream.Stream<Uint8Array, DriverError.DriverCallError>>()
    expect<ReturnType<DriverClient.DriverStream["write"]>>().type.toBe<
      Effect.Effect<void, DriverError.DriverCallError>
    >()
  })
})

describe("DriverCallError", () => {
  it("is exactly the six errors", () => {
    expect<DriverError.DriverCallError["_tag"]>().type.toBe<
      | "MethodNotImplemented"
      | "InvalidArgument"
      | "ExporterNotReady"
      | "DriverError"
      | "ConnectionLost"
      | "UnexpectedResult"
    >()
    expect<DriverError.DriverCallError>().type.toBe<
      | DriverError.MethodNotImplemented
      | DriverError.InvalidArgument
      | DriverError.ExporterNotReady
      | DriverError.DriverError
      | DriverError.ConnectionLost
      | DriverError.UnexpectedResult
    >()
  })

  it("has the same fields in every member, none of type any", () => {
    type Fields = Omit<DriverError.DriverCallError, keyof Error>
    expect<Fields["driver"]>().type.toBe<string>()
    expect<Fields["uuid"]>().type.toBe<string>()
    expect<Fields["method"]>().type.toBe<string>()
    expect<Fields["kind"]>().type.toBe<"call" | "streamingCall" | "stream" | "resource">()
    expect<Fields["origin"]>().type.toBe<"driver" | "transport" | "client">()
    expect<Fields["details"]>().type.toBe<string>()
    expect<DriverError.InvalidArgument["path"]>().type.toBe<ReadonlyArray<string | number>>()
  })
})
