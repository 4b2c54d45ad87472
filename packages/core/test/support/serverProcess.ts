import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as program from "./program.ts"

export interface ServerProcess {
  readonly endpoint: Endpoint.Endpoint
  /** Kills the process at once, so that all connections end abruptly. */
  readonly kill: Effect.Effect<void>
}

/** Starts `server.ts` in another process. */
export const start = (
  ...args: readonly ["unix", string] | readonly ["tcp"]
): Effect.Effect<ServerProcess, never, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync((): ChildProcess =>
        spawn(process.execPath, [program.path("server"), ...args], { stdio: ["ignore", "pipe", "inherit"] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const endpoint = yield* Effect.async<Endpoint.Endpoint>((resume) => {
      child.once("exit", (code) => resume(Effect.dieMessage(`the server exited with ${code}`)))
      if (child.stdout !== null) {
        createInterface({ input: child.stdout }).once("line", (line) => {
          const { host, path, port } = JSON.parse(line)
          resume(Effect.succeed(args[0] === "unix" ? Endpoint.unix(path) : Endpoint.tcp(host, port)))
        })
      }
    })
    return { endpoint, kill: Effect.sync(() => child.kill("SIGKILL")) }
  })
