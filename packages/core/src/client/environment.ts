// What the environment of `jmp shell` says of the exporter to connect to.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const insecure = (name: string) => Config.map(Config.withDefault(Config.string(name), ""), (value) => value === "1")

/**
 * The environment `jmp shell` gives its child (`protocol.md` 10.5 and 10.6).
 *
 * @since 0.1.0
 * @category models
 */
export const environment = Config.all({
  host: Config.mapOrFail(Config.withDefault(Config.string("JUMPSTARTER_HOST"), ""), (host) =>
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
  // An empty one is none, as in Python.
  passphrase: Config.map(
    Config.option(Config.redacted("JMP_GRPC_PASSPHRASE")),
    Option.filter((passphrase) => Redacted.value(passphrase) !== "")
  )
})
