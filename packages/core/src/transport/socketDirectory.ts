// A place for a socket that only this user can reach.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cannotListen, type GrpcServerError } from "./listen.ts"

/** The path of a socket in a directory that no other user can enter. The scope removes both. */
export const path: Effect.Effect<string, GrpcServerError, Scope.Scope> = Effect.suspend(() => {
  const parent = tmpdir()
  return Effect.acquireRelease(
    Effect.mapError(Effect.try(() => mkdtempSync(join(parent, "jumpstarter-"))), cannotListen(parent)),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
}).pipe(Effect.map((directory) => join(directory, "socket")))
