// A file that one process at a time can make: whoever has made it has the lock. The kernel takes no part, so that it works on network
// file systems as well; a lock whose owner died is taken over when it is older than any owner may hold it.
import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

/** An owner holds a lock for less than this. */
const staleAfter = Duration.seconds(60)

const pause = Duration.millis(50)

const create = (fileSystem: FileSystem.FileSystem, path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.scoped(fileSystem.open(path, { flag: "wx", mode: 0o600 })).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
      () => Effect.succeed(false)
    )
  )

// The time of the file is of the wall clock.
const isStale = Effect.fnUntraced(function*(fileSystem: FileSystem.FileSystem, path: string) {
  const info = yield* Effect.option(fileSystem.stat(path))
  // eslint-disable-next-line no-restricted-syntax -- compared with a time of day
  const now = yield* Clock.currentTimeMillis
  return Option.exists(
    Option.flatMap(info, ({ mtime }) => mtime),
    (made) => now - made.getTime() > Duration.toMillis(staleAfter)
  )
})

// Of two processes that find the same old lock, the second must not remove the new one of the first. So they take turns, by a second
// file; it is there for an instant, and counts as left behind when it is old too.
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

/** Waits for the lock, which is released with the scope. Fails where the file cannot be made. */
export const acquire = (
  fileSystem: FileSystem.FileSystem,
  path: string
): Effect.Effect<void, PlatformError.PlatformError, Scope.Scope> => {
  const attempt = Effect.acquireRelease(
    create(fileSystem, path),
    (made) => made ? Effect.ignore(fileSystem.remove(path)) : Effect.void
  )
  return attempt.pipe(
    Effect.tap((made) =>
      made ? Effect.void : Effect.whenEffect(removeStale(fileSystem, path), isStale(fileSystem, path))
    ),
    Effect.repeat({ until: (made) => made, schedule: Schedule.spaced(pause) }),
    Effect.asVoid
  )
}
