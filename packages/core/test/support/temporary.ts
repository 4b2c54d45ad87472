import { Effect } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A directory that the scope removes. Its name is short, because paths of Unix sockets have to be short. */
export const directory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "ej-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** The path of a Unix socket that does not exist yet. */
export const socketPath = Effect.map(directory, (path) => join(path, "s"))
