// Log lines that a person has to see. The environment of `it.effect` has no logger that shows them.
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"

// Loggers that show nothing, such as that of a record.
export const unseen = new WeakSet<object>([Logger.tracerLogger])

export const visibly = (line: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(
    FiberRef.get(FiberRef.currentLoggers),
    (loggers) =>
      HashSet.some(loggers, (logger) => !unseen.has(logger))
        ? line
        : Effect.provide(line, Logger.add(Logger.defaultLogger))
  )
