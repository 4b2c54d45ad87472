// The exporter that hostile peers attack (see hostileHost.ts), and its holdings.
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fork } from "node:child_process"
import * as heap from "./heap.ts"
import * as program from "./program.ts"
import * as temporary from "./temporary.ts"

/** The ports on which it listens. */
export interface Ready {
  /** Cleartext. */
  readonly port: number
  readonly tlsPort: number
}

export interface Holdings {
  /** Devices that driver methods have open. */
  readonly devices: number
  /** Fibers of handlers. */
  readonly fibers: number
  /** Connections over TCP. */
  readonly sockets: number
  readonly timers: number
  /** Reachable memory, on the heap and outside of it. */
  readonly bytes: number
}

export class Victim extends Context.Tag("test/Victim")<
  Victim,
  Ready & {
    readonly path: string
    readonly holdings: Effect.Effect<Holdings>
  }
>() {}

export const layer = Layer.scoped(
  Victim,
  Effect.gen(function*() {
    const path = yield* temporary.socketPath
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        fork(program.path("hostileHost"), [path], {
          execArgv: ["--expose-gc"],
          // grpc-js reports metadata that it refuses on standard error.
          env: { ...process.env, ...heap.strict, GRPC_VERBOSITY: "NONE" }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const next = <A>(): Effect.Effect<A> =>
      Effect.async((resume) => {
        const onMessage = (message: unknown) => {
          child.off("exit", onExit)
          resume(Effect.succeed(message as A))
        }
        const onExit = (code: number | null, signal: string | null) => {
          child.off("message", onMessage)
          resume(Effect.failCause(Cause.die(new Error(`the exporter ended with ${code ?? signal}`))))
        }
        child.once("message", onMessage).once("exit", onExit)
      })
    const ready = yield* next<Ready>()
    return {
      ...ready,
      path,
      holdings: Effect.zipRight(
        Effect.sync(() => child.send("measure")),
        next<Holdings>()
      )
    }
  })
)
