// A command whose program is loaded when it runs, so that help and completions are quick.
import * as Effect from "effect/Effect"

export const lazily =
  <Args, A, E, R>(load: () => Promise<{ readonly run: (args: Args) => Effect.Effect<A, E, R> }>) =>
  (args: Args): Effect.Effect<A, E, R> => Effect.flatMap(Effect.promise(load), ({ run }) => run(args))
