// The program fls on a board, which fetches an image and writes it. It can log in to the registry of an image.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as callers from "../../protocol/callerFrame.ts"
import * as credentials from "./credentials.ts"
import * as deviceShell from "./deviceShell.ts"
import { InvalidImage, type RegistryCredentials } from "./image.ts"

interface Options {
  readonly credentials: RegistryCredentials | undefined
  /** Where the board fetches the program from, if it does not have it. */
  readonly flsUrl: string | undefined
  readonly timeout: Duration.DurationInput
}

export const write = (
  shell: credentials.Shell,
  job: deviceShell.Job,
  { credentials: login, flsUrl, timeout }: Options
): Effect.Effect<void, credentials.ShellError | InvalidImage> => {
  const caller = callers.of()
  const on = <A>(call: () => A): A => callers.on(caller, call)
  return Effect.gen(function*() {
    if (flsUrl !== undefined) {
      yield* on(() => shell.run(`${deviceShell.download(flsUrl, "/sbin/fls")} && chmod +x /sbin/fls`))
    }
    const command = deviceShell.fls(job)
    if (login === undefined) {
      yield* on(() => shell.run(command, { timeout }))
    } else if (yield* on(() => credentials.store(shell, login))) {
      yield* on(() => shell.run(deviceShell.authenticated(command), { timeout })).pipe(
        Effect.mapError((error) => credentials.hide(error, login, caller))
      )
    } else {
      const reason = "the console would show the credentials: `stty -echo` does not stop its echo"
      return yield* callers.blame(new InvalidImage({ reason }), { caller })
    }
  })
}
