// The configuration files of exporters: their meaning, and the errors of mistakes in them. What they have in common with those of
// clients is in ClientConfig.test.ts.
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import { ConfigProvider, Duration, Effect, Either, Layer, Logger, Redacted } from "effect"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import * as ExporterConfig from "../../src/controller/ExporterConfig.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as certificates from "../support/certificates.ts"
import * as temporary from "../support/temporary.ts"

const secret = "very-secret-token"

interface Given {
  readonly text?: string
  readonly variables?: Readonly<Record<string, string>>
  readonly options?: ExporterConfig.LoadOptions
  readonly mode?: number
}

const file = "~/.config/jumpstarter/exporters/bench.yaml"

/** Loads the file of the exporter `bench` in a temporary `HOME`, and collects the warnings. */
const load = ({ mode = 0o600, options = { alias: "bench" }, text, variables = {} }: Given) =>
  Effect.gen(function*() {
    const home = yield* temporary.directory
    const path = join(home, ".config/jumpstarter/exporters/bench.yaml")
    if (text !== undefined) {
      yield* Effect.promise(async () => {
        await mkdir(join(path, ".."), { recursive: true })
        await writeFile(path, text)
        await chmod(path, mode)
      })
    }
    const warnings: Array<string> = []
    const withoutHome = (text: string) => text.replaceAll(home, "~")
    const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(withoutHome(String(message))))
    const result = yield* ExporterConfig.load(options).pipe(
      Effect.either,
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["HOME", home], ...Object.entries(variables)]))),
      Effect.provide(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, Logger.replace(Logger.defaultLogger, logger)))
    )
    return { result, warnings, withoutHome }
  })

const loaded = (given: Given) =>
  Effect.flatMap(
    load(given),
    ({ result, ...rest }) => Effect.map(Effect.orDie(result), (config) => ({ config, ...rest }))
  )

const minimal = `
metadata:
  namespace: lab
  name: e1
endpoint: grpc.lab.example:8082
token: ${secret}
`

describe("the configuration of an exporter", () => {
  it.scoped("needs an identity, an endpoint and a token", () =>
    Effect.gen(function*() {
      const { config, warnings, withoutHome } = yield* loaded({ text: minimal })
      deepStrictEqual({ ...config, source: withoutHome(config.source), token: Redacted.value(config.token) }, {
        source: file,
        namespace: "lab",
        name: "e1",
        token: secret,
        endpoint: Endpoint.tls("grpc.lab.example", 8082),
        tls: { ca: "", insecure: false },
        grpcOptions: {},
        description: undefined,
        motd: undefined,
        hooks: { beforeLease: undefined, afterLease: undefined },
        exitOnLeaseEnd: false
      })
      deepStrictEqual(warnings, [])
    }))

  it.scoped("has every key that Python knows", () =>
    Effect.gen(function*() {
      const { ca } = yield* certificates.localhost
      const encoded = Buffer.from(ca).toString("base64")
      const { config, warnings } = yield* loaded({
        text: `
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
alias: bench
path: null
metadata: {namespace: lab, name: e1}
endpoint: grpc.lab.example:8082
tls: {ca: ${encoded}, insecure: no}
token: ${secret}
grpcOptions: {grpc.keepalive_time_ms: 5000}
description: the bench by the window
motd: mind the fan
export: {}
hooks:
  beforeLease: {script: j power on, exec: /bin/bash, timeout: 30, onFailure: endLease}
  after_lease:
    script: |
      j power off
    exec_: null
    on_failure: exit
failureDetection: {maxRapidFailures: 5, rapidFailureWindow: 60}
exitOnLeaseEnd: true
`
      })
      deepStrictEqual(
        config.endpoint,
        Endpoint.tls("grpc.lab.example", 8082, Endpoint.Trust.CertificateAuthority({ ca: encoded }))
      )
      deepStrictEqual(config.grpcOptions, { "grpc.keepalive_time_ms": 5000 })
      strictEqual(config.description, "the bench by the window")
      strictEqual(config.motd, "mind the fan")
      strictEqual(config.exitOnLeaseEnd, true)
      deepStrictEqual(config.hooks, {
        beforeLease: {
          script: "j power on",
          exec: "/bin/bash",
          timeout: Duration.seconds(30),
          onFailure: "endLease"
        },
        afterLease: { script: "j power off\n", exec: undefined, timeout: undefined, onFailure: "exit" }
      })
      deepStrictEqual(warnings, [])
    }))

  it.scoped("as `jmp` writes it, has empty sections", () =>
    Effect.gen(function*() {
      const { config, warnings } = yield* loaded({
        text: `${minimal}grpcOptions: null
description: null
export: {}
hooks: {beforeLease: null, afterLease: null}
failureDetection: {maxRapidFailures: 5, rapidFailureWindow: 60}
`
      })
      deepStrictEqual([config.description, config.hooks.beforeLease, config.hooks.afterLease], [
        undefined,
        undefined,
        undefined
      ])
      deepStrictEqual(warnings, [])
    }))

  it.scoped("takes the missing parts of its identity from variables, and nothing else but trust on first use", () =>
    Effect.gen(function*() {
      const { config } = yield* loaded({
        text: minimal.replace("  name: e1\n", ""),
        variables: { JMP_NAMESPACE: "other", JMP_NAME: "e2", JMP_TOKEN: "other", JMP_GRPC_INSECURE: "1" }
      })
      deepStrictEqual([config.namespace, config.name, Redacted.value(config.token)], ["lab", "e2", secret])
      deepStrictEqual(config.endpoint, Endpoint.tls("grpc.lab.example", 8082, Endpoint.Trust.TrustOnFirstUse()))
    }))

  it.scoped("logs a warning for keys that have no meaning, and for a file that others can read", () =>
    Effect.gen(function*() {
      const { warnings } = yield* loaded({
        text: `${minimal}hook: {}\nhooks:\n  beforeLease:\n    script: j power on\n    onfailure: exit\n`,
        mode: 0o644
      })
      deepStrictEqual(warnings, [
        `${file} has a token, and others on this machine may read or change it (mode 644); run chmod 600 on it`,
        `${file}:7: hook is not a key of the exporter configuration, and is ignored`,
        `${file}:11: hooks.beforeLease.onfailure is not a key of the exporter configuration, and is ignored`
      ])
    }))
})

const mistakes: ReadonlyArray<readonly [name: string, given: Given, message: string]> = [
  [
    "an alias without a file",
    {},
    "~/.config/jumpstarter/exporters: the exporter bench has no file: " +
    `neither ${file} nor /etc/jumpstarter/exporters/bench.yaml exists`
  ],
  [
    "an alias that leads out of the directory",
    { options: { alias: "../bench" } },
    "~/.config/jumpstarter/exporters: \"../bench\" is not an alias: an alias is a file name without a slash"
  ],
  ["a path without a file", { options: { path: "/nowhere/x.yaml" } }, "/nowhere/x.yaml: there is no such file"],
  ["an empty file", { text: "" }, `${file}: the file is empty`],
  [
    "drivers in Python",
    { text: `${minimal}export:\n  power: {type: jumpstarter_driver_power.driver.MockPower}\n` },
    `${file}:7: export names Python classes of drivers, which cannot be loaded here; remove it, and pass \`drivers\` to ` +
    "ExporterRegistration.run"
  ],
  [
    "a client's file",
    { text: `kind: ClientConfig\n${minimal}` },
    `${file}:1: kind is not ExporterConfig; this file configures something else`
  ],
  [
    "an unknown key in metadata",
    { text: minimal.replace("  name: e1", "  name: e1\n  uid: 7") },
    `${file}:5: metadata.uid is not a key of the exporter configuration; the keys here are namespace, name`
  ],
  [
    "no name",
    { text: minimal.replace("  name: e1\n", "") },
    `${file}:2: metadata.name is missing, and JMP_NAME is not set`
  ],
  ["no endpoint", { text: minimal.replace(/endpoint.*\n/, "") }, `${file}:2: endpoint is missing`],
  ["a token that is null", { text: minimal.replace(secret, "null") }, `${file}:6: token is empty`],
  [
    "a token of two words",
    { text: minimal.replace(secret, `${secret} ${secret}`) },
    `${file}:6: token has characters that a token cannot have, such as spaces`
  ],
  [
    "a hook without a script",
    { text: `${minimal}hooks:\n  beforeLease: {timeout: 7}\n` },
    `${file}:8: hooks.beforeLease.script is missing`
  ],
  [
    "a hook whose failure means something else",
    { text: `${minimal}hooks:\n  afterLease:\n    script: j power off\n    onFailure: ignore\n` },
    `${file}:10: hooks.afterLease.onFailure is none of warn, endLease and exit`
  ],
  [
    "a hook whose time is no number",
    { text: `${minimal}hooks:\n  afterLease:\n    script: j power off\n    timeout: soon\n` },
    `${file}:10: hooks.afterLease.timeout is not a whole number of seconds, at least 0`
  ]
]

describe("an error names the file, the line and the key for", () => {
  for (const [name, given, message] of mistakes) {
    it.scoped(name, () =>
      Effect.gen(function*() {
        const { result, withoutHome } = yield* load(given)
        const error = Either.getOrThrow(Either.flip(result))
        strictEqual(error._tag, "ExporterConfigError")
        strictEqual(withoutHome(error.message), message)
        assertTrue(!inspect(error, { depth: 9 }).includes(secret))
      }))
  }
})

describe("the values of a program", () => {
  const values = { namespace: "lab", name: "e1", endpoint: "grpc.lab.example:8082", token: Redacted.make(secret) }

  it("are a configuration", () => {
    const config = Either.getOrThrow(ExporterConfig.make({ ...values, motd: "hello" }))
    deepStrictEqual([config.source, config.motd], ["the values", "hello"])
  })

  it("are checked", () => {
    const error = Either.getOrThrow(Either.flip(ExporterConfig.make({ ...values, name: "a/b" })))
    strictEqual(error.message, "the values: metadata.name is not a name: use letters, digits, dots and dashes")
  })
})
