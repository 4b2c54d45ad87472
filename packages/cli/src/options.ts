// The options that several commands share. Nothing here loads more than the parser, so that help and completions are quick.
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import type * as Option from "effect/Option"

const flags = new Set<string>()

/** The options without a value. src/commandLine.ts has to know them, to find where the arguments begin. */
export const isFlag = (name: string): boolean => flags.has(name)

export const flag = (name: string, description: string, alias?: string): Options.Options<boolean> => {
  flags.add(`--${name}`)
  const option = Options.boolean(name).pipe(Options.withDescription(description))
  if (alias === undefined) return option
  flags.add(`-${alias}`)
  return Options.withAlias(option, alias)
}

export const text = (name: string, value: string, description: string): Options.Options<Option.Option<string>> =>
  Options.text(name).pipe(Options.withPseudoName(value), Options.withDescription(description), Options.optional)

export const duration = (name: string, description: string) => text(name, "duration", description)

export const json = flag("json", "Print JSON: one document, or one line for each item of a stream.")

const client = text(
  "client",
  "name",
  "The configuration of a client of a lab, as `jmp` names it; its current one unless given."
)

/** The controller of a lab. */
export const lab = {
  client,
  clientConfig: text("client-config", "file", "The file of a client configuration.")
}

export const selector = (description: string) =>
  Options.text("selector").pipe(
    Options.withAlias("l"),
    Options.withPseudoName("labels"),
    Options.withDescription(description),
    Options.optional
  )

/** What to lease. */
export const request = {
  ...lab,
  selector: selector("Lease an exporter with these labels, as in board=rpi4."),
  exporter: Options.text("exporter").pipe(
    Options.withAlias("n"),
    Options.withPseudoName("name"),
    Options.withDescription("Lease the exporter of this name."),
    Options.optional
  ),
  duration: duration("duration", "How long the lease lasts; \"30 minutes\" unless given.")
}

/** A lease that exists, or one to make that ends with the command. */
export const leasable = {
  lease: text("lease", "name", "Use the exporter of a lease that exists, and keep the lease."),
  ...request,
  acquisitionTimeout: duration(
    "acquisition-timeout",
    "How long to wait for the exporter of a lease; what the client configuration says, or \"2 hours\", unless given."
  )
}

/** The exporter that a command talks to; src/target.ts connects to it. */
export const target = {
  host: text(
    "host",
    "address",
    "The exporter: a socket, HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT; JUMPSTARTER_HOST unless given."
  ),
  insecure: flag("insecure", "Connect to a HOST:PORT without TLS."),
  ca: text("ca", "file", "The certificates to trust, as PEM."),
  ...leasable
}

type Value<O> = O extends Options.Options<infer A> ? A : never

export type Lab = { readonly [K in keyof typeof lab]: Value<(typeof lab)[K]> }

export type Request = { readonly [K in keyof typeof request]: Value<(typeof request)[K]> }

export type Leasable = { readonly [K in keyof typeof leasable]: Value<(typeof leasable)[K]> }

export type Target = { readonly [K in keyof typeof target]: Value<(typeof target)[K]> }

export const untyped = flag(
  "untyped",
  "Ignore the contract of the driver: arguments are JSON, and any method can be called."
)

export const contracts = Options.text("contracts").pipe(
  Options.withPseudoName("file"),
  Options.withDescription(
    "A module that exports contracts of your own, as in contracts.mjs. Can be given several times."
  ),
  Options.repeated
)

export const path = Args.text({ name: "path" }).pipe(
  Args.withDescription("The path of the driver, such as power or board.power; . is the root.")
)

export const method = Args.text({ name: "method" }).pipe(Args.withDescription("The name of the method."))

export const jsonArguments = Args.text({ name: "json" }).pipe(
  Args.withDescription("The arguments of the method."),
  Args.repeated
)

export const partition = text("target", "name", "The partition or memory of the device; its only one unless given.")
