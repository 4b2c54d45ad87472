// What a child process needs to use a lease through a socket (protocol.md 10.6).
import type { ClientConfig } from "../controller/ClientConfig.ts"
import type * as Endpoint from "../grpc/Endpoint.ts"

interface Leased {
  readonly name: string
  readonly exporter: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
}

export const of = (
  { exporter, name }: Leased,
  { drivers: { allow, unsafe } }: ClientConfig,
  { path }: Endpoint.Unix
): Readonly<Record<string, string>> => {
  const labels = Object.entries(exporter.labels).sort(([one], [other]) => one < other ? -1 : 1)
  return {
    JUMPSTARTER_HOST: path,
    JMP_DRIVERS_ALLOW: unsafe ? "UNSAFE" : allow.join(","),
    JMP_EXPORTER: exporter.name,
    JMP_LEASE: name,
    ...(labels.length === 0 ? {} : { JMP_EXPORTER_LABELS: labels.map(([key, value]) => `${key}=${value}`).join(",") })
  }
}
