// Effect's races, time limits, forks and concurrent loops for code that may run uninterruptibly: in a finalizer or an
// acquisition. Fibers forked there inherit the uninterruptibility. The loser of a race, an effect that outlasts its time limit and
// a fiber of a closing scope would then be awaited indefinitely. The functions below make the forked fibers interruptible and
// leave the calling fiber as it is.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual, type LazyArg } from "effect/Function"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

export const raceFirst = <A, E, R, A2, E2, R2>(
  self: Effect.Effect<A, E, R>,
  that: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> => Effect.raceFirst(Effect.interruptible(self), Effect.interruptible(that))

interface TimeLimit<E> {
  readonly duration: Duration.DurationInput
  readonly onTimeout: LazyArg<E>
}

export const timeoutFail: {
  <E2>(limit: TimeLimit<E2>): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R>
  <A, E, R, E2>(self: Effect.Effect<A, E, R>, limit: TimeLimit<E2>): Effect.Effect<A, E | E2, R>
} = dual(
  2,
  <A, E, R, E2>(self: Effect.Effect<A, E, R>, limit: TimeLimit<E2>): Effect.Effect<A, E | E2, R> =>
    Effect.timeoutFail(Effect.interruptible(self), limit)
)

export const timeoutOption: {
  (duration: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.DurationInput): Effect.Effect<Option.Option<A>, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.DurationInput): Effect.Effect<Option.Option<A>, E, R> =>
    Effect.timeoutOption(Effect.interruptible(self), duration)
)

export const forkIn: {
  (scope: Scope.Scope): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, scope: Scope.Scope): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, scope: Scope.Scope): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R> =>
    Effect.forkIn(Effect.interruptible(self), scope)
)

export const forkScoped = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R | Scope.Scope> => Effect.forkScoped(Effect.interruptible(self))

export const forkDaemon = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<Fiber.RuntimeFiber<A, E>, never, R> => Effect.forkDaemon(Effect.interruptible(self))

export const both = <A, E, R, A2, E2, R2>(
  self: Effect.Effect<A, E, R>,
  that: Effect.Effect<A2, E2, R2>
): Effect.Effect<[A, A2], E | E2, R | R2> =>
  Effect.zip(Effect.interruptible(self), Effect.interruptible(that), { concurrent: true })

// Runs the effects of all items concurrently.
export const forEach = <A, B, E, R>(
  items: Iterable<A>,
  body: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<Array<B>, E, R> =>
  Effect.forEach(items, (item) => Effect.interruptible(body(item)), { concurrency: "unbounded" })
