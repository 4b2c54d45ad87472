// A lock between processes. The process that creates the file holds the lock. It is an ordinary file, so it works on network file
// systems too. A lock older than 60 seconds was left behind and is taken over.
import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as interruptible from "../util/interruptible.ts"

// An owner holds the lock for less than this.
const staleAfter = Duration.seconds(60)

// Longer than a lock can be held and taken over. Some are never released: a directory, or a file that this user cannot remove.
const limit = "90 seconds"

const pause = Duration.millis(50)

const create = (fileSystem: FileSystem.FileSystem, path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.scoped(fileSystem.open(path, { flag: "wx", mode: 0o600 })).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
      () => Effect.succeed(false)
    )
  )

// The modification time of a file is a time of day.
const isStale = Effect.fnUntraced(function*(fileSystem: FileSystem.FileSystem, path: string) {
  const info = yield* Effect.option(fileSystem.stat(path))
  // eslint-disable-next-line no-restricted-syntax -- compared with a time of day
  const now = yield* Clock.currentTimeMillis
  return Option.exists(
    Option.flatMap(info, ({ mtime }) => mtime),
    (made) => now - made.getTime() > Duration.toMillis(staleAfter)
  )
})

// When two processes find the same stale lock, the slower one must not remove the lock that the faster one has created since. A second
// file, held for an instant, lets one process at a time remove the lock. It becomes stale in the same way.
const removeStale = Effect.fnUntraced(function*(fileSystem: FileSystem.FileSystem, path: string) {
  const turn = `${path}.takeover`
  if (yield* create(fileSystem, turn)) {
    yield* Effect.whenEffect(Effect.ignore(fileSystem.remove(path)), isStale(fileSystem, path)).pipe(
      Effect.ensuring(Effect.ignore(fileSystem.remove(turn)))
    )
  } else if (yield* isStale(fileSystem, turn)) {
    yield* Effect.ignore(fileSystem.remove(turn))
  }
}, Effect.uninterruptible)

/**
 * Waits for the lock, which is released with the scope. Fails when the file cannot be created, and when the lock is not released in
 * time.
 */
export const acquire = (
  fileSystem: FileSystem.FileSystem,
  path: string
): Effect.Effect<void, Cause.TimeoutException | PlatformError.PlatformError, Scope.Scope> => {
  const attempt = Effect.acquireRelease(
    create(fileSystem, path),
    (made) => made ? Effect.ignore(fileSystem.remove(path)) : Effect.void
  )
  return attempt.pipe(
    Effect.tap((made) =>
      made ? Effect.void : Effect.whenEffect(removeStale(fileSystem, path), isStale(fileSystem, path))
    ),
    Effect.repeat({ until: (made) => made, schedule: Schedule.spaced(pause) }),
    Effect.asVoid,
    interruptible.timeoutFail({
      duration: limit,
      onTimeout: () => new Cause.TimeoutException(`${path} was not released within ${limit}`)
    })
  )
}
