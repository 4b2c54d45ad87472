// What the environment of `jmp shell` says about the exporter to connect to.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ExporterMetadata } from "./connection.ts"

const insecure = (name: string) => Config.map(Config.withDefault(Config.string(name), ""), (value) => value === "1")

// An empty variable counts as unset, as in Python.
const text = (name: string) => Config.map(Config.option(Config.string(name)), Option.filter((value) => value !== ""))

// Values are not escaped: a label ends at the next comma.
const labels = Config.map(
  text("JMP_EXPORTER_LABELS"),
  Option.match({
    onNone: () => ({}),
    onSome: (pairs) =>
      Object.fromEntries(
        pairs.split(",").flatMap((pair) => {
          const end = pair.indexOf("=")
          return end > 0 ? [[pair.slice(0, end), pair.slice(end + 1)]] : []
        })
      )
  })
)

// A shell that leased nothing, because it was given an address, sets both variables to `direct`.
const metadata = Config.map(
  Config.all({ name: text("JMP_EXPORTER"), lease: text("JMP_LEASE"), labels }),
  ({ labels, lease, name }): Option.Option<ExporterMetadata> =>
    Option.map(
      Option.filter(name, (name) => name !== "direct" || !Option.contains(lease, "direct")),
      (name) => ({ name, lease, labels })
    )
)

const hostVariable = Config.withDefault(Config.string("JUMPSTARTER_HOST"), "")

/** Whether there is an exporter to connect to. */
export const isInShell = Config.map(hostVariable, (host) => host !== "")

/**
 * The environment `jmp shell` gives its child (`protocol.md` 10.5 and 10.6).
 *
 * @since 0.1.0
 * @category models
 */
export const environment = Config.all({
  host: Config.mapOrFail(hostVariable, (host) =>
    host === ""
      ? Either.left(
        ConfigError.MissingData(
          ["JUMPSTARTER_HOST"],
          "set it to the address of an exporter; `jmp shell` sets it for the commands it runs"
        )
      )
      : Either.right(host)),
  insecure: Config.zipWith(
    insecure("JMP_GRPC_INSECURE"),
    insecure("JUMPSTARTER_GRPC_INSECURE"),
    (a, b) => a || b
  ),
  metadata,
  passphrase: Config.map(
    Config.option(Config.redacted("JMP_GRPC_PASSPHRASE")),
    Option.filter((passphrase) => Redacted.value(passphrase) !== "")
  )
})
