// Tokens that are written back: which parts of the file stay, and how two processes refresh tokens at the same time.
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { spawn } from "node:child_process"
import { chmod, mkdir, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as ClientConfig from "../../src/controller/ClientConfig.ts"
import { repository } from "../support/process.ts"
import * as temporary from "../support/temporary.ts"

const platform = Layer.merge(NodeFileSystem.layer, NodePath.layer)

const load = (path: string, variables: ReadonlyArray<readonly [string, string]> = []) =>
  ClientConfig.load({ path }).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables))),
    Effect.provide(platform)
  )

const made = { token: Redacted.make("eyJ.new-token_1"), refreshToken: Redacted.make("new=refresh") }

const rest = "metadata: {namespace: lab, name: c1}\nendpoint: lab.example:1\n"

/** Writes a configuration, refreshes its tokens, and returns the new text. */
const renewed = (
  text: string,
  prepare: (directory: string, path: string) => Promise<string> = async (_, path) => path
) =>
  Effect.gen(function*() {
    const directory = yield* temporary.directory
    const file = join(directory, "c.yaml")
    yield* Effect.promise(() => writeFile(file, text, { mode: 0o600 }))
    const path = yield* Effect.promise(() => prepare(directory, file))
    const config = yield* load(path)
    const result = yield* config.tokenStore.exchange(() => Effect.succeed(made))
    strictEqual(result, made)
    const left = yield* Effect.promise(() => readdir(directory))
    return { directory, file, path, left, text: yield* Effect.promise(() => readFile(file, "utf8")) }
  })

const cases: ReadonlyArray<readonly [name: string, before: string, after: string]> = [
  [
    "comments, order, quotes and blank lines",
    `# the lab\n\n${rest}token:   "old"   # mine\n\nrefresh_token: 'older'\n# the end\ntls:\n    insecure:    true\n`,
    `# the lab\n\n${rest}token:   "eyJ.new-token_1"   # mine\n\nrefresh_token: "new=refresh"\n# the end\ntls:\n    insecure:    true\n`
  ],
  [
    "a file without a refresh token or a last line break",
    `${rest}token: old`,
    `${rest}token: eyJ.new-token_1\nrefresh_token: "new=refresh"\n`
  ],
  [
    "a token over several lines",
    `token: >-\n  old\nrefresh_token: |-\n  older\n${rest}`,
    `token: "eyJ.new-token_1"\nrefresh_token: "new=refresh"\n${rest}`
  ],
  [
    "a refresh token that is null",
    `token: old\nrefresh_token: null\n${rest}`,
    `token: eyJ.new-token_1\nrefresh_token: "new=refresh"\n${rest}`
  ],
  [
    "a refresh token that is empty",
    `token: old\nrefresh_token:\n${rest}`,
    `token: eyJ.new-token_1\nrefresh_token: "new=refresh"\n${rest}`
  ],
  [
    "line ends of Windows",
    `token: old\r\nrefresh_token: older\r\n${rest}`,
    `token: eyJ.new-token_1\r\nrefresh_token: "new=refresh"\r\n${rest}`
  ]
]

describe("new tokens", () => {
  for (const [name, before, after] of cases) {
    it.scoped(`leave the rest of the file unchanged: ${name}`, () =>
      Effect.gen(function*() {
        const { left, text } = yield* renewed(before)
        strictEqual(text, after)
        // No lock and no temporary file is left.
        deepStrictEqual(left, ["c.yaml"])
      }))
  }

  it.scoped("are written into YAML that a splice does not fit", () =>
    Effect.gen(function*() {
      const { path, text } = yield* renewed(
        "{token: old, metadata: {namespace: lab, name: c1}, endpoint: 'lab.example:1'} # mine\n"
      )
      assertTrue(text.includes("# mine"), text)
      const config = yield* load(path)
      strictEqual(config.refreshToken && Redacted.value(config.refreshToken), "new=refresh")
    }))

  it.scoped("are written to the file that a link points to, with mode 0600", () =>
    Effect.gen(function*() {
      const { file, path } = yield* renewed(`token: old\n${rest}`, async (directory, path) => {
        await mkdir(join(directory, "links"))
        const link = join(directory, "links", "c.yaml")
        await symlink(path, link)
        return link
      })
      strictEqual(yield* Effect.promise(() => readlink(path)), file)
      strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
    }))

  it.scoped("are those that somebody else has stored, when they are newer", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const path = join(directory, "c.yaml")
      const write = (token: string) =>
        Effect.promise(() => writeFile(path, `token: ${token}\nrefresh_token: of-${token}\n${rest}`, { mode: 0o600 }))
      yield* write("old")
      const config = yield* load(path)
      yield* write("newer")
      const { refreshToken, token } = yield* config.tokenStore.exchange(Effect.succeed)
      deepStrictEqual([token, refreshToken].map((one) => one && Redacted.value(one)), ["newer", "of-newer"])
    }))

  /** Runs an effect and returns its result with the warnings it logs. */
  const withWarnings = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
    const warnings: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
    return Effect.map(
      Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)),
      (result) => ({ result, warnings })
    )
  }

  it.scoped("are returned with a warning when the file cannot be written", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const path = join(directory, "gone", "c.yaml")
      yield* Effect.promise(async () => {
        await mkdir(join(directory, "gone"))
        await writeFile(path, `token: old\n${rest}`, { mode: 0o600 })
      })
      const config = yield* load(path)
      yield* Effect.promise(() => rm(join(directory, "gone"), { recursive: true }))
      const { result, warnings } = yield* withWarnings(config.tokenStore.exchange(() => Effect.succeed(made)))
      strictEqual(result, made)
      strictEqual(warnings.length, 2)
      assertTrue(warnings[1]?.startsWith(`the new tokens cannot be written to ${path}: `), warnings[1])
      assertTrue(!warnings.join().includes("new-token"))
    }))

  const written: ReadonlyArray<readonly [name: string, text: string]> = [
    ["is empty", ""],
    ["is half written", `${rest}tok`],
    ["is not YAML", `${rest}token: [old`],
    ["has no token", rest]
  ]

  for (const [name, text] of written) {
    it.scoped(`are returned with a warning when the file ${name} after the refresh`, () =>
      Effect.gen(function*() {
        const directory = yield* temporary.directory
        const path = join(directory, "c.yaml")
        yield* Effect.promise(() => writeFile(path, `token: old\n${rest}`, { mode: 0o600 }))
        const config = yield* load(path)
        const { result, warnings } = yield* withWarnings(
          config.tokenStore.exchange(() => Effect.as(Effect.promise(() => writeFile(path, text)), made))
        )
        strictEqual(result, made)
        deepStrictEqual(warnings, [`the new tokens cannot be written to ${path}: the file has no token`])
        strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), text)
      }))
  }

  it.scoped("are not added to a file whose token comes from JMP_TOKEN", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const path = join(directory, "c.yaml")
      yield* Effect.promise(() => writeFile(path, rest, { mode: 0o600 }))
      const config = yield* load(path, [["JMP_TOKEN", "old"], ["JMP_REFRESH_TOKEN", "older"]])
      const { result, warnings } = yield* withWarnings(config.tokenStore.exchange(() => Effect.succeed(made)))
      strictEqual(result, made)
      deepStrictEqual(warnings, [`the new tokens cannot be written to ${path}: the file has no token`])
      strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), rest)
    }))

  it.scoped("do not replace the tokens of a login during the refresh", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const path = join(directory, "c.yaml")
      yield* Effect.promise(() => writeFile(path, `token: old\nrefresh_token: older\n${rest}`, { mode: 0o600 }))
      const config = yield* load(path)
      const login = `token: login\nrefresh_token: of-login\n${rest}`
      yield* config.tokenStore.exchange(() => Effect.as(Effect.promise(() => writeFile(path, login)), made))
      strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), login)
    }))

  it.scoped("are written without a lock when the lock is not released within 90 seconds", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const path = join(directory, "c.yaml")
      yield* Effect.promise(() => writeFile(path, `token: old\n${rest}`, { mode: 0o600 }))
      const config = yield* load(path)
      // A directory never becomes a stale lock that can be removed.
      yield* Effect.promise(() => mkdir(`${path}.lock`))
      const fiber = yield* Effect.fork(
        // A refresh runs uninterruptibly.
        Effect.uninterruptible(withWarnings(config.tokenStore.exchange(() => Effect.succeed(made))))
      )
      while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("5 seconds")
      const { result, warnings } = yield* Fiber.join(fiber)
      strictEqual(result, made)
      deepStrictEqual(warnings, [
        `another process may refresh the tokens of ${path} at the same time, because they cannot be locked: ` +
        `${path}.lock was not released within 90 seconds`
      ])
      strictEqual(
        yield* Effect.promise(() => readFile(path, "utf8")),
        `token: eyJ.new-token_1\n${rest}refresh_token: "new=refresh"\n`
      )
    }))
})

describe("a lock", () => {
  const locked = Effect.gen(function*() {
    const directory = yield* temporary.directory
    const path = join(directory, "c.yaml")
    const lock = `${path}.lock`
    yield* Effect.promise(() => writeFile(path, `token: old\n${rest}`, { mode: 0o600 }))
    const config = yield* load(path)
    yield* Effect.promise(() => writeFile(lock, ""))
    return { config, directory, lock }
  })

  it.scopedLive("makes other clients wait", () =>
    Effect.gen(function*() {
      const { config, lock } = yield* locked
      const renewing = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        config.tokenStore.exchange(() => Effect.as(Deferred.succeed(renewing, undefined), made))
      )
      strictEqual(
        yield* Effect.timeoutOption(Deferred.await(renewing), "200 millis").pipe(Effect.map(({ _tag }) => _tag)),
        "None"
      )
      yield* Effect.promise(() => rm(lock))
      strictEqual(yield* Fiber.join(fiber), made)
    }))

  it.scopedLive("is taken over when it was left behind", () =>
    Effect.gen(function*() {
      const { config, directory, lock } = yield* locked
      const old = new Date(Date.now() - 61_000)
      yield* Effect.promise(() => utimes(lock, old, old))
      strictEqual(yield* config.tokenStore.exchange(() => Effect.succeed(made)), made)
      deepStrictEqual(yield* Effect.promise(() => readdir(directory)), ["c.yaml"])
    }))

  it.scopedLive("is released when a refresh is interrupted", () =>
    Effect.gen(function*() {
      const { config, directory, lock } = yield* locked
      yield* Effect.promise(() => rm(lock))
      const renewing = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        config.tokenStore.exchange(() => Effect.zipRight(Deferred.succeed(renewing, undefined), Effect.never))
      )
      yield* Deferred.await(renewing)
      deepStrictEqual(yield* Effect.promise(() => readdir(directory)), ["c.yaml", "c.yaml.lock"])
      yield* Fiber.interrupt(fiber)
      deepStrictEqual(yield* Effect.promise(() => readdir(directory)), ["c.yaml"])
    }))
})

const renewer = (path: string, issuer: string, rounds: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(
        process.execPath,
        [
          "--import",
          "tsx",
          fileURLToPath(new URL("../support/tokenRenewer.ts", import.meta.url)),
          path,
          issuer,
          String(rounds)
        ],
        { cwd: repository, env: { PATH: process.env["PATH"] }, stdio: ["pipe", "pipe", "pipe"] }
      )
      const output = { text: "", ended: false }
      const watchers = new Set<() => void>()
      const look = () => watchers.forEach((watcher) => watcher())
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          output.text += text
          look()
        })
      }
      child.once("close", () => {
        output.ended = true
        look()
      })
      const until = (condition: () => boolean) =>
        Effect.async<string>((resume) => {
          const watcher = () => condition() && resume(Effect.succeed(output.text))
          watchers.add(watcher)
          watcher()
          return Effect.sync(() => watchers.delete(watcher))
        })
      return {
        ready: until(() => output.ended || output.text.includes("ready\n")),
        go: () => child.stdin.write("go\n"),
        ended: until(() => output.ended),
        kill: () => child.kill("SIGKILL")
      }
    }),
    ({ kill }) => Effect.sync(kill)
  )

it.scopedLive(
  "two processes never use one refresh token twice, even when both find a lock that was left behind",
  () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const issuer = join(directory, "issuer")
      const path = join(directory, "c.yaml")
      const rounds = 25
      const text = (number: number) => `# the lab\n${rest}token: t${number}\nrefresh_token: r${number}\n`
      yield* Effect.promise(async () => {
        await mkdir(issuer)
        await writeFile(path, text(0))
        await chmod(path, 0o600)
        await writeFile(`${path}.lock`, "")
        const old = new Date(Date.now() - 61_000)
        await utimes(`${path}.lock`, old, old)
      })
      const children = yield* Effect.all([renewer(path, issuer, rounds), renewer(path, issuer, rounds)], {
        concurrency: 2
      })
      yield* Effect.all(children.map(({ ready }) => ready))
      children.forEach(({ go }) => go())
      deepStrictEqual(yield* Effect.all(children.map(({ ended }) => ended)), ["ready\ndone\n", "ready\ndone\n"])
      const used = yield* Effect.promise(() => readdir(issuer))
      // A process that finds newer tokens uses them without a refresh.
      assertTrue(used.length >= rounds && used.length < 2 * rounds + 1, `${used.length} were used`)
      strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), text(used.length))
      deepStrictEqual(yield* Effect.promise(() => readdir(directory)), ["c.yaml", "issuer"])
    }),
  60_000
)
