// Finds the proxy for an endpoint. gRPC libraries read it from the environment; this reads the same variables from the program's
// configuration, which is the environment by default.
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { BlockList, isIP } from "node:net"
import * as hostPort from "../grpc/hostPort.ts"

export interface Proxy {
  readonly variable: string
  // Without the user name and password that the URL may contain.
  readonly address: string
  readonly host: string
  // The user name and password of the URL.
  readonly credentials: Redacted.Redacted | undefined
}

export interface Unusable {
  readonly problem: string
}

// The first variable that is set wins.
const variables = ["grpc_proxy", "https_proxy", "http_proxy"]

const exceptions = ["no_grpc_proxy", "no_proxy"]

const first = (
  names: ReadonlyArray<string>
): Effect.Effect<readonly [name: string, value: string] | undefined, ConfigError.ConfigError> =>
  Effect.map(
    Effect.forEach(names, (name) => Config.withDefault(Config.string(name), "")),
    (values) => {
      const index = values.findIndex((value) => value !== "")
      const [name, value] = [names[index], values[index]]
      return name === undefined || value === undefined ? undefined : [name, value]
    }
  )

const inRange = (host: string, address: string, prefix: number): boolean => {
  const family = isIP(address) === 4 ? "ipv4" : "ipv6"
  if (isIP(host) !== isIP(address) || isIP(host) === 0 || prefix > (family === "ipv4" ? 32 : 128)) return false
  const range = new BlockList()
  range.addSubnet(address, prefix, family)
  return range.check(host, family)
}

// Matches a pattern: an address, a range of addresses, the end of a name, `*`, or one of these with a port.
const matches = (pattern: string, { host, port }: hostPort.HostPort): boolean => {
  const range = /^([^/]+)\/(\d{1,3})$/.exec(pattern)
  if (range?.[1] !== undefined) return inRange(host, range[1], Number(range[2]))
  const withPort = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(pattern)
  const name = withPort?.[1] ?? withPort?.[2] ?? hostPort.withoutBrackets(pattern)
  return (withPort === null || Number(withPort[3]) === port) &&
    host.toLowerCase().endsWith(name.replace(/^\*/, "").toLowerCase())
}

const isExcepted = (endpoint: hostPort.HostPort): Effect.Effect<boolean, ConfigError.ConfigError> =>
  Effect.map(first(exceptions), (found) =>
    // Lists may have spaces after their commas.
    found?.[1].split(/[\s,]+/).some((pattern) => pattern !== "" && matches(pattern, endpoint)) ?? false)

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const parse = (variable: string, value: string): Proxy | Unusable => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  // The message does not show the value: without a valid URL, a password could be anywhere in it.
  if (url === undefined || url.hostname === "") {
    return { problem: `the proxy in ${variable} is not a URL such as http://proxy:3128` }
  }
  const address = `${url.protocol}//${url.host}`
  if (url.protocol !== "http:") {
    return { problem: `gRPC connects through http:// proxies only, and ${variable} has ${address}` }
  }
  const [user, password] = [decoded(url.username), decoded(url.password)]
  return user === undefined || password === undefined
    ? { problem: `the user or password of the proxy ${address} in ${variable} contains a % that is not an escape` }
    : {
      variable,
      address,
      host: `${url.hostname}:${url.port === "" ? 80 : url.port}`,
      credentials: user === "" ? undefined : Redacted.make(password === "" ? user : `${user}:${password}`)
    }
}

// Returns the proxy for an endpoint if there is one, or why it cannot be used.
export const find = Effect.fnUntraced(function*(endpoint: hostPort.HostPort) {
  const found = yield* first(variables)
  // An address with an interface is on the local network.
  if (found === undefined || endpoint.host.includes("%") || (yield* isExcepted(endpoint))) return undefined
  return parse(...found)
}) satisfies (...args: never) => Effect.Effect<Proxy | Unusable | undefined, ConfigError.ConfigError>
