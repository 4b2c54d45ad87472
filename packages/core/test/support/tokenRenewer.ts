// A process that renews the tokens of a configuration file, again and again. The issuer is a folder, which accepts each refresh
// token once: it has a file for each used one. Prints "ready", renews when its standard input says "go", and prints failures.
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Effect, Redacted } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as ClientConfig from "../../src/controller/ClientConfig.ts"

const [path = "", issuer = "", rounds = "1"] = process.argv.slice(2)

const next = (refreshToken: string): string => `r${Number(refreshToken.slice(1)) + 1}`

const program = Effect.gen(function*() {
  const config = yield* ClientConfig.load({ path })
  let { token } = config
  process.stdout.write("ready\n")
  yield* Effect.promise(() => new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve)))
  for (let round = 0; round < Number(rounds); round++) {
    const renewed = yield* config.tokenStore.exchange((stored) =>
      Effect.gen(function*() {
        if (Redacted.value(stored.token) !== Redacted.value(token)) return stored
        const refreshToken = stored.refreshToken === undefined ? "none" : Redacted.value(stored.refreshToken)
        yield* Effect.tryPromise({
          try: () => writeFile(join(issuer, refreshToken), "", { flag: "wx" }),
          catch: () => new Error(`the refresh token ${refreshToken} was used twice`)
        })
        const made = next(refreshToken)
        return { token: Redacted.make(`t${made.slice(1)}`), refreshToken: Redacted.make(made) }
      })
    )
    token = renewed.token
  }
  process.stdout.write("done\n")
  process.stdin.destroy()
})

program.pipe(Effect.provide(NodeContext.layer), NodeRuntime.runMain)
