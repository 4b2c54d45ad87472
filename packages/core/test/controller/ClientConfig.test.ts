// The configuration files and variables of clients: their meaning, and the errors of mistakes in them.
import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import * as ClientConfig from "../../src/controller/ClientConfig.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as certificates from "../support/certificates.ts"
import * as temporary from "../support/temporary.ts"

const secret = "very-secret-token"

interface Given {
  readonly files?: Readonly<Record<string, string>>
  readonly variables?: Readonly<Record<string, string>>
  readonly options?: ClientConfig.LoadOptions
  readonly mode?: number
}

// Loads a configuration from files in a temporary `HOME`, and collects the warnings.
const load = ({ files = {}, mode = 0o600, options, variables = {} }: Given) =>
  Effect.gen(function*() {
    const home = yield* temporary.directory
    yield* Effect.promise(async () => {
      for (const [name, text] of Object.entries(files)) {
        const path = join(home, name)
        await mkdir(join(path, ".."), { recursive: true })
        await writeFile(path, text)
        await chmod(path, mode)
      }
    })
    const warnings: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
    const result = yield* ClientConfig.load(options).pipe(
      Effect.either,
      Effect.withConfigProvider(
        ConfigProvider.fromMap(
          new Map([
            ["HOME", home],
            ...Object.entries(variables).map(([name, value]) => [name, value.replaceAll("~", home)] as const)
          ])
        )
      ),
      Effect.provide(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, Logger.replace(Logger.defaultLogger, logger)))
    )
    const withoutHome = (text: string) => text.replaceAll(home, "~")
    return { home, result, warnings: warnings.map(withoutHome), withoutHome }
  })

const loaded = (given: Given) =>
  Effect.flatMap(
    load(given),
    ({ result, ...rest }) => Effect.map(Effect.orDie(result), (config) => ({ config, ...rest }))
  )

const folder = ".config/jumpstarter"

const user = { [`${folder}/config.yaml`]: "kind: UserConfig\nconfig:\n  current-client: bench\n" }

const client = (text: string): Given => ({ files: { ...user, [`${folder}/clients/bench.yaml`]: text } })

const minimal = `
metadata:
  namespace: lab
  name: c1
endpoint: grpc.lab.example:8082
token: ${secret}
`

const variables = {
  JMP_NAMESPACE: "lab",
  JMP_NAME: "c1",
  JMP_ENDPOINT: "grpc.lab.example:8082",
  JMP_TOKEN: secret
}

describe("a configuration", () => {
  it.scoped("comes from the file of the current client", () =>
    Effect.gen(function*() {
      const { config, warnings, withoutHome } = yield* loaded(client(minimal))
      deepStrictEqual(
        { ...config, source: withoutHome(config.source), token: Redacted.value(config.token), tokenStore: undefined },
        {
          source: "~/.config/jumpstarter/clients/bench.yaml",
          namespace: "lab",
          name: "c1",
          token: secret,
          refreshToken: undefined,
          endpoint: Endpoint.tls("grpc.lab.example", 8082),
          tls: { ca: "", insecure: false },
          grpcOptions: {},
          drivers: { allow: [], unsafe: false },
          leases: {
            acquisitionTimeout: Duration.hours(2),
            dialTimeout: Duration.seconds(60),
            retryTimeout: Duration.minutes(5)
          },
          tokenStore: undefined
        }
      )
      deepStrictEqual(warnings, [])
    }))

  it.scoped("has every key that Python knows", () =>
    Effect.gen(function*() {
      const { ca } = yield* certificates.localhost
      const encoded = Buffer.from(ca).toString("base64")
      const { config } = yield* loaded(client(`
apiVersion: jumpstarter.dev/v1alpha1
kind: ClientConfig
metadata: {namespace: lab, name: c1}
endpoint: "grpc.lab.example:443"
tls:
  ca: ${encoded}
  insecure: no
  later: ignored
token: >-
  ${secret}
refresh_token: again
grpcOptions:
  grpc.keepalive_time_ms: 5000
  grpc.default_authority: lab
drivers:
  allow: jumpstarter_driver_*, UNSAFE
shell:
  use_profiles: true
  later: ignored
leases: {acquisition_timeout: 60, dial_timeout: "7", retry_timeout: 0}
alias: other
path: null
`))
      deepStrictEqual(
        config.endpoint,
        Endpoint.tls("grpc.lab.example", 443, Endpoint.Trust.CertificateAuthority({ ca: encoded }))
      )
      strictEqual(Redacted.value(config.token), secret)
      strictEqual(config.refreshToken && Redacted.value(config.refreshToken), "again")
      deepStrictEqual(config.grpcOptions, { "grpc.keepalive_time_ms": 5000, "grpc.default_authority": "lab" })
      deepStrictEqual(config.drivers, { allow: ["jumpstarter_driver_*"], unsafe: true })
      deepStrictEqual(config.leases, {
        acquisitionTimeout: Duration.seconds(60),
        dialTimeout: Duration.seconds(7),
        retryTimeout: Duration.zero
      })
    }))

  it.scoped("comes from the environment alone when namespace and name are set, even if there is a current client", () =>
    Effect.gen(function*() {
      const { config } = yield* loaded({
        ...client(minimal.replace("c1", "other")),
        variables: { ...variables, JMP_REFRESH_TOKEN: "again", JMP_TLS: "{\"insecure\": true}" }
      })
      strictEqual(config.source, "the environment")
      strictEqual(config.name, "c1")
      strictEqual(config.refreshToken && Redacted.value(config.refreshToken), "again")
      deepStrictEqual(config.endpoint, Endpoint.tls("grpc.lab.example", 8082, Endpoint.Trust.TrustOnFirstUse()))
    }))

  it.scoped("comes from the file of an alias or a path, even if namespace and name are set", () =>
    Effect.gen(function*() {
      const files = { [`${folder}/clients/other.yaml`]: minimal.replace("c1", "other") }
      const { config } = yield* loaded({ files, variables, options: { alias: "other" } })
      strictEqual(config.name, "other")
      const directory = yield* temporary.directory
      const path = join(directory, "any.yaml")
      yield* Effect.promise(() => writeFile(path, minimal.replace("c1", "third"), { mode: 0o600 }))
      strictEqual((yield* loaded({ variables, options: { path } })).config.name, "third")
    }))

  for (
    const [variable, value, place] of [
      ["JMP_CLIENT_CONFIG_HOME", "~/elsewhere", "elsewhere"],
      ["XDG_CONFIG_HOME", "~/xdg", "xdg/jumpstarter"]
    ] as const
  ) {
    it.scoped(`comes from the directory in ${variable}`, () =>
      Effect.gen(function*() {
        const { config } = yield* loaded({
          files: {
            [`${place}/config.yaml`]: "config: {current-client: bench}",
            [`${place}/clients/bench.yaml`]: minimal
          },
          variables: { [variable]: value }
        })
        strictEqual(config.name, "c1")
      }))
  }

  it.scoped("is completed by variables, of which only two timeouts override the file", () =>
    Effect.gen(function*() {
      const { config } = yield* loaded({
        ...client(`
metadata: {name: c1}
token: ${secret}
drivers: {unsafe: false}
leases: {dial_timeout: 10, retry_timeout: 11}
`),
        variables: {
          JMP_NAMESPACE: "lab",
          JMP_TOKEN: "another",
          JMP_ENDPOINT: "grpc.lab.example:1",
          JMP_DRIVERS: "{\"allow\": [\"a*\"], \"unsafe\": true}",
          JMP_DRIVERS_ALLOW: "b*",
          JMP_GRPCOPTIONS: "{\"grpc.x\": 1}",
          JMP_RETRY_TIMEOUT: "22",
          ACQUISITION_TIMEOUT: "33",
          DIAL_TIMEOUT: "44"
        }
      })
      strictEqual(config.namespace, "lab")
      strictEqual(Redacted.value(config.token), secret)
      deepStrictEqual(config.endpoint, Endpoint.tls("grpc.lab.example", 1))
      deepStrictEqual(config.drivers, { allow: ["a*"], unsafe: false })
      deepStrictEqual(config.grpcOptions, { "grpc.x": 1 })
      deepStrictEqual(config.leases, {
        acquisitionTimeout: Duration.seconds(33),
        dialTimeout: Duration.seconds(10),
        retryTimeout: Duration.seconds(22)
      })
    }))

  it.scoped("is insecure when a variable says so", () =>
    Effect.gen(function*() {
      for (const variable of ["JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE"]) {
        const { config } = yield* loaded({ ...client(minimal), variables: { [variable]: "1" } })
        deepStrictEqual(config.endpoint, Endpoint.tls("grpc.lab.example", 8082, Endpoint.Trust.TrustOnFirstUse()))
      }
    }))

  it.scoped("has names that look like numbers with an exponent, as in Python", () =>
    Effect.gen(function*() {
      for (const name of ["e1", "1e3", "E5", "1.5e3"]) {
        strictEqual((yield* loaded(client(minimal.replace("c1", name)))).config.name, name)
      }
      const { result } = yield* load(client(minimal.replace("c1", "1.5e+3")))
      assertTrue(Either.isLeft(result))
    }))

  it.scoped("drops the empty pattern that a login writes", () =>
    Effect.gen(function*() {
      const { config } = yield* loaded(client(`${minimal}drivers:\n  allow: ['']\n`))
      deepStrictEqual(config.drivers, { allow: [], unsafe: false })
    }))

  it.scoped("has port 443 when the address has none", () =>
    Effect.gen(function*() {
      const { config } = yield* loaded(client(minimal.replace(":8082", "")))
      deepStrictEqual(config.endpoint, Endpoint.tls("grpc.lab.example", 443))
    }))

  it.scoped("logs a warning when other users can read its file", () =>
    Effect.gen(function*() {
      const { warnings } = yield* loaded({ ...client(minimal), mode: 0o644 })
      deepStrictEqual(warnings, [
        "~/.config/jumpstarter/clients/bench.yaml has a token, and others on this machine may read or change it " +
        "(mode 644); run chmod 600 on it"
      ])
    }))
})

const file = "~/.config/jumpstarter/clients/bench.yaml"

const userFile = "~/.config/jumpstarter/config.yaml"

const wayOut = "name a client, set JMP_NAMESPACE, JMP_NAME and the other variables, or log in with `jmp login`"

const mistakes: ReadonlyArray<readonly [name: string, given: Given, message: string]> = [
  ["no files at all", {}, `${userFile}: there is no such file, and therefore no current client; ${wayOut}`],
  [
    "no current client",
    { files: { [`${folder}/config.yaml`]: "kind: UserConfig\nconfig:\n  current-client: null\n" } },
    `${userFile}:3: there is no current client; ${wayOut}`
  ],
  [
    "a current client whose file is gone",
    { files: user },
    `${userFile}:3: config.current-client the client bench has no file: ${file} does not exist`
  ],
  [
    "an alias that leads out of the directory",
    { files: { [`${folder}/config.yaml`]: "config:\n  current-client: ../../etc/passwd\n" } },
    `${userFile}:2: config.current-client "../../etc/passwd" is not an alias: an alias is a file name without a slash`
  ],
  [
    "an alias without a file",
    { options: { alias: "nope" } },
    "~/.config/jumpstarter: the client nope has no file: ~/.config/jumpstarter/clients/nope.yaml does not exist"
  ],
  ["a path without a file", { options: { path: "/nowhere/x.yaml" } }, "/nowhere/x.yaml: there is no such file"],
  ["an empty file", client(""), `${file}: the file is empty`],
  ["a text", client("hello"), `${file}:1: the file is not a mapping of keys to values`],
  [
    "indentation that does not fit",
    client("metadata:\n  namespace: lab\n name: c1\n"),
    `${file}:3: the indentation does not fit the lines around it`
  ],
  [
    "a quote that is missing",
    client(`${minimal}refresh_token: "${secret}\n`),
    `${file}:8: a quote, a bracket, a comma or a colon is missing`
  ],
  ["a tab", client("metadata:\n\tname: c1\n"), `${file}:2: the line is indented with a tab; YAML takes spaces`],
  ["a key twice", client(`${minimal}token: other\n`), `${file}:7: the key occurs twice`],
  [
    "two documents",
    client(`${minimal}---\n${minimal}`),
    `${file}:7: there is more than one document; a configuration has no line ---`
  ],
  [
    "a second colon",
    client(`token: a: ${secret}\n`),
    `${file}:1: there is a second colon; write a value that contains a colon and a space in quotes`
  ],
  [
    "an unknown key",
    client(`${minimal}tokn: ${secret}\n`),
    `${file}:7: tokn is not a key of the client configuration; the keys here are apiVersion, kind, metadata, endpoint, tls, ` +
    "token, refresh_token, grpcOptions, drivers, shell, leases"
  ],
  [
    "an unknown key in metadata",
    client(minimal.replace("  name: c1", "  name: c1\n  uid: 7")),
    `${file}:5: metadata.uid is not a key of the client configuration; the keys here are namespace, name`
  ],
  [
    "an unknown key in drivers",
    client(`${minimal}drivers:\n  deny: []\n`),
    `${file}:8: drivers.deny is not a key of the client configuration; the keys here are allow, unsafe`
  ],
  [
    "an unknown key in leases",
    client(`${minimal}leases:\n  timeout: 7\n`),
    `${file}:8: leases.timeout is not a key of the client configuration; the keys here are acquisition_timeout, ` +
    "dial_timeout, retry_timeout"
  ],
  [
    "another kind",
    client(`kind: ExporterConfig\n${minimal}`),
    `${file}:1: kind is not ClientConfig; this file configures something else`
  ],
  ["another version", client(`apiVersion: v2\n${minimal}`), `${file}:1: apiVersion is not jumpstarter.dev/v1alpha1`],
  [
    "no name",
    client(minimal.replace("  name: c1\n", "")),
    `${file}:2: metadata.name is missing, and JMP_NAME is not set`
  ],
  ["an empty namespace", client(minimal.replace(" lab\n", "\n")), `${file}:3: metadata.namespace is empty`],
  [
    "a namespace with a slash",
    client(minimal.replace(" lab\n", " lab/x\n")),
    `${file}:3: metadata.namespace is not a name: use letters, digits, dots and dashes`
  ],
  [
    "a name that is a number",
    client(minimal.replace("c1", "12")),
    `${file}:4: metadata.name is not a string; write it in quotes`
  ],
  [
    "no endpoint",
    client(minimal.replace(/endpoint.*\n/, "")),
    `${file}:2: endpoint is missing, and JMP_ENDPOINT is not set`
  ],
  [
    "an endpoint that is none",
    client(minimal.replace("grpc.lab.example:8082", "https://grpc.lab.example")),
    `${file}:5: endpoint is not an address: the address of an exporter does not start with https://; for TLS write tls://HOST:PORT`
  ],
  [
    "an endpoint in cleartext",
    client(minimal.replace("grpc.lab.example:8082", "tcp://grpc.lab.example:8082")),
    `${file}:5: endpoint is not an address: tcp:// would send the token in cleartext, which only tls.insecure allows; ` +
    "write HOST:PORT for TLS"
  ],
  [
    "an endpoint that is a socket",
    client(minimal.replace("grpc.lab.example:8082", "/run/x.sock")),
    `${file}:5: endpoint is not an address: a controller or router cannot be at a Unix socket; write HOST:PORT`
  ],
  ["no token", client(minimal.replace(/token.*\n/, "")), `${file}:2: token is missing, and JMP_TOKEN is not set`],
  ["a token that is null", client(minimal.replace(secret, "null")), `${file}:6: token is empty`],
  [
    "a token of two words",
    client(minimal.replace(secret, `${secret} ${secret}`)),
    `${file}:6: token has characters that a token cannot have, such as spaces`
  ],
  [
    "a token that is a list",
    client(minimal.replace(secret, `[${secret}]`)),
    `${file}:6: token is not a string; write it in quotes`
  ],
  [
    "a refresh token that is a mapping",
    client(`${minimal}refresh_token: {a: ${secret}}\n`),
    `${file}:7: refresh_token is not a string; write it in quotes`
  ],
  [
    "certificates that are none",
    client(`${minimal}tls:\n  ca: /etc/ca.pem\n`),
    `${file}:8: tls.ca cannot be used: it looks like the path of a file; give the content of the file`
  ],
  [
    "a flag that is none",
    client(`${minimal}tls:\n  insecure: maybe\n`),
    `${file}:8: tls.insecure is neither true nor false`
  ],
  ["tls without keys", client(`${minimal}tls:\n`), `${file}:7: tls is empty`],
  [
    "a channel argument that is none",
    client(`${minimal}grpcOptions:\n  grpc.x: 1.5\n`),
    `${file}:8: grpcOptions.grpc.x is neither a string nor a whole number`
  ],
  [
    "a timeout that is too short",
    client(`${minimal}leases:\n  dial_timeout: 4\n`),
    `${file}:8: leases.dial_timeout is not a whole number of seconds, at least 5`
  ],
  [
    "patterns that are none",
    client(`${minimal}drivers:\n  allow: [7]\n`),
    `${file}:8: drivers.allow is neither a list of strings nor a comma-separated string`
  ],
  [
    "a variable that is no JSON",
    { ...client(minimal), variables: { JMP_TLS: `{${secret}` } },
    "the environment: JMP_TLS is not JSON"
  ],
  [
    "a value in a variable",
    { ...client(minimal), variables: { JMP_TLS: "{\"insecure\": \"maybe\"}" } },
    "the environment: JMP_TLS is neither true nor false"
  ],
  [
    "a timeout in a variable",
    { ...client(minimal), variables: { JMP_DIAL_TIMEOUT: "soon" } },
    "the environment: JMP_DIAL_TIMEOUT is not a whole number of seconds, at least 5"
  ],
  [
    "an environment without a token",
    { variables: { ...variables, JMP_TOKEN: "" } },
    "the environment: JMP_TOKEN is not set"
  ],
  [
    "an environment with half a token",
    { variables: { ...variables, JMP_TOKEN: `${secret}\n` } },
    "the environment: JMP_TOKEN starts or ends with white space"
  ],
  [
    "an environment without an address",
    { variables: { ...variables, JMP_ENDPOINT: "" } },
    "the environment: JMP_ENDPOINT is not set"
  ]
]

describe("the error of a mistake names its place", () => {
  for (const [name, given, message] of mistakes) {
    it.scoped(name, () =>
      Effect.gen(function*() {
        const { home, result, withoutHome } = yield* load(given)
        const error = yield* Effect.flip(result)
        strictEqual(withoutHome(error.message), message)
        const shown = [String(error), JSON.stringify(error), inspect(error, { depth: Infinity }), error.stack].join()
        assertTrue(!shown.includes(secret), shown.replaceAll(home, "~"))
      }))
  }

  it.scoped("a file that cannot be read", () =>
    Effect.gen(function*() {
      const directory = yield* temporary.directory
      const { result } = yield* load({ options: { path: directory } })
      const { message, reason } = yield* Effect.flip(result)
      strictEqual(reason, "Unreadable")
      assertTrue(message.startsWith(`${directory}: the file cannot be read: `), message)
    }))
})

describe("a program's own values", () => {
  const values = { namespace: "lab", name: "c1", endpoint: "grpc.lab.example:1", token: Redacted.make(secret) }

  it("are checked like those of a file", () => {
    const { endpoint, source } = Either.getOrThrow(ClientConfig.make(values))
    deepStrictEqual({ endpoint, source }, { endpoint: Endpoint.tls("grpc.lab.example", 1), source: "the values" })
    const { message } = Either.getOrThrow(Either.flip(ClientConfig.make({ ...values, token: Redacted.make("a b") })))
    strictEqual(message, "the values: token has characters that a token cannot have, such as spaces")
  })

  it("may have an address in cleartext when they are insecure", () => {
    const { endpoint } = Either.getOrThrow(
      ClientConfig.make({ ...values, endpoint: "tcp://lab:1", tls: { insecure: true } })
    )
    deepStrictEqual(endpoint, Endpoint.tcp("lab", 1))
  })

  it("are printed without the tokens", () => {
    const config = Either.getOrThrow(ClientConfig.make({ ...values, refreshToken: Redacted.make(secret) }))
    assertTrue(![String(config), JSON.stringify(config), inspect(config, { depth: Infinity })].join().includes(secret))
  })
})
