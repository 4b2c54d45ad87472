// The proxy that an endpoint is reached through, as gRPC libraries read it from the environment.
import { BlockList, isIP } from "node:net"
import type * as hostPort from "../grpc/hostPort.ts"

export interface Proxy {
  readonly variable: string
  // Without the name and password that may be in it.
  readonly address: string
}

export interface Unusable {
  readonly problem: string
}

// The first that is set counts.
const variables = ["grpc_proxy", "https_proxy", "http_proxy"]

const exceptions = ["no_grpc_proxy", "no_proxy"]

const first = (names: ReadonlyArray<string>): readonly [name: string, value: string] | undefined => {
  for (const name of names) {
    // eslint-disable-next-line no-restricted-properties -- grpc-js reads it here, whatever the program's ConfigProvider.
    const value = process.env[name]
    if (value !== undefined && value !== "") return [name, value]
  }
  return undefined
}

const inRange = (host: string, address: string, prefix: number): boolean => {
  const family = isIP(address) === 4 ? "ipv4" : "ipv6"
  if (isIP(host) !== isIP(address) || isIP(host) === 0 || prefix > (family === "ipv4" ? 32 : 128)) return false
  const range = new BlockList()
  range.addSubnet(address, prefix, family)
  return range.check(host, family)
}

// An address, a range of addresses, the end of a name, `*`, or one of these with a port.
const matches = (pattern: string, { host, port }: hostPort.HostPort): boolean => {
  const range = /^([^/]+)\/(\d{1,3})$/.exec(pattern)
  if (range?.[1] !== undefined) return inRange(host, range[1], Number(range[2]))
  const withPort = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(pattern)
  const name = withPort?.[1] ?? withPort?.[2] ?? pattern.replace(/^\[(.*)\]$/, "$1")
  return (withPort === null || Number(withPort[3]) === port) &&
    host.toLowerCase().endsWith(name.replace(/^\*/, "").toLowerCase())
}

const isExcepted = (endpoint: hostPort.HostPort): boolean =>
  // grpc-js takes the spaces that people write after commas for a part of the name.
  first(exceptions)?.[1].split(/[\s,]+/).some((pattern) => pattern !== "" && matches(pattern, endpoint)) ?? false

const decodes = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

// The proxy to an endpoint, unless there is none, or why it cannot be used.
export const find = (endpoint: hostPort.HostPort): Proxy | Unusable | undefined => {
  const found = first(variables)
  // What is reached through an interface is near.
  if (found === undefined || endpoint.host.includes("%") || isExcepted(endpoint)) return undefined
  const [variable, value] = found
  const url = URL.canParse(value) ? new URL(value) : undefined
  // The value of what is no URL may have a password anywhere.
  if (url === undefined || url.hostname === "") {
    return { problem: `the proxy in ${variable} is not a URL such as http://proxy:3128` }
  }
  const address = `${url.protocol}//${url.host}`
  if (url.protocol !== "http:") {
    return { problem: `gRPC connects through http:// proxies only, and ${variable} has ${address}` }
  }
  return decodes(url.username) && decodes(url.password)
    ? { variable, address }
    : { problem: `the user or password of the proxy ${address} in ${variable} has a % that encodes nothing` }
}
