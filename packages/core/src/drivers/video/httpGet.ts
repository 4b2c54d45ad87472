// One HTTP request over a byte stream, with the HTTP parser of Node.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type IncomingMessage, request } from "node:http"
import { Duplex } from "node:stream"
import type { ByteStream } from "../../protocol/ByteStream.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as pull from "../../util/pull.ts"
import * as readable from "../../util/readable.ts"

/** The request failed, though the byte stream did not. */
export class HttpFailure extends Data.TaggedError("HttpFailure")<{ readonly message: string }> {}

export interface Response<E> {
  readonly status: number
  readonly contentType: string
  readonly body: Stream.Stream<Uint8Array, E | HttpFailure>
}

// The byte stream as Node sees it, and the failure of the byte stream, of which Node reports only that the connection is gone.
const toDuplex = <E extends Error>(stream: ByteStream<E>) =>
  Effect.gen(function*() {
    const run = yield* FiberSet.makeRuntime<never>()
    const room = yield* Effect.makeLatch(true)
    let failure: E | undefined
    const line: Duplex = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new Duplex({
          read: () => {
            room.unsafeOpen()
          },
          write: (bytes: Uint8Array, _, done) => {
            run(Effect.match(stream.write(bytes), {
              onFailure: (error) => {
                failure ??= error
                done(error)
              },
              onSuccess: () => done()
            }))
          },
          final: (done) => {
            run(Effect.ensuring(stream.end, Effect.sync(done)))
          }
        })
      ),
      (line) => Effect.sync(() => line.destroy())
    )
    // Without a listener an error would end the process; the response reports it.
    line.on("error", () => {})
    yield* stream.read.pipe(
      Stream.runForEach((bytes) =>
        Effect.suspend(() => {
          if (!line.push(bytes)) room.unsafeClose()
          return room.await
        })
      ),
      Effect.match({
        onFailure: (error) => {
          failure ??= error
          line.destroy(error)
        },
        onSuccess: () => {
          line.push(null)
        }
      }),
      interruptible.forkScoped
    )
    return { line, failure: () => failure }
  })

/** Requests a path. The response's body ends with the scope. */
export const get = <E extends Error>(
  stream: ByteStream<E>,
  path: string
): Effect.Effect<Response<E>, E | HttpFailure, Scope.Scope> =>
  Effect.gen(function*() {
    const { failure, line } = yield* toDuplex(stream)
    const why = ({ message }: Error): E | HttpFailure => failure() ?? new HttpFailure({ message })
    const response = yield* Effect.async<IncomingMessage, E | HttpFailure>((resume) => {
      try {
        request({ createConnection: () => line, host: "localhost", path })
          .on("response", (response) => resume(Effect.succeed(response)))
          .on("error", (error) => resume(Effect.fail(why(error))))
          .end()
      } catch (error) {
        // A path with characters that no request can carry.
        resume(Effect.fail(new HttpFailure({ message: error instanceof Error ? error.message : String(error) })))
      }
    })
    response.on("error", () => {})
    const next = yield* readable.make(
      response,
      why,
      () => why(new HttpFailure({ message: "the connection was closed" }))
    )
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers["content-type"] ?? "",
      body: pull.values(next)
    }
  })
