// What a client and an exporter have in common: who they are, and where their service is. Every value is checked.
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as Endpoint from "../grpc/Endpoint.ts"
import * as pem from "../transport/pem.ts"
import type { ConfigProblem } from "./configError.ts"
import type { Invalid } from "./configFile.ts"
import * as serviceAddress from "./serviceAddress.ts"
import * as tokens from "./tokens.ts"

interface Values {
  readonly namespace: string
  readonly name: string
  readonly endpoint: string
  readonly token: Redacted.Redacted
  readonly tls?: { readonly ca?: string | undefined; readonly insecure?: boolean | undefined } | undefined
  readonly grpcOptions?: Readonly<Record<string, string | number>> | undefined
}

export interface ServiceIdentity {
  readonly namespace: string
  readonly name: string
  readonly endpoint: Endpoint.Tcp | Endpoint.Tls
  readonly token: Redacted.Redacted
  readonly tls: serviceAddress.ServiceTls
  readonly grpcOptions: Readonly<Record<string, string | number>>
}

// Kubernetes allows no other names. They become parts of resource names, which slashes separate.
const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i

export const check = (invalid: Invalid) => (path: readonly [string, ...ReadonlyArray<string>], problem?: string) =>
  problem === undefined ? Either.void : Either.left(invalid(path, problem))

export const checked = (values: Values, invalid: Invalid): Either.Either<ServiceIdentity, ConfigProblem> =>
  Either.gen(function*() {
    const { endpoint, grpcOptions = {}, name, namespace, token } = values
    const noName = "is not a name: use letters, digits, dots and dashes"
    yield* check(invalid)(["metadata", "namespace"], namePattern.test(namespace) ? undefined : noName)
    yield* check(invalid)(["metadata", "name"], namePattern.test(name) ? undefined : noName)
    yield* check(invalid)(["token"], tokens.problem(Redacted.value(token)))
    const tls = { ca: values.tls?.ca ?? "", insecure: values.tls?.insecure ?? false }
    if (tls.ca !== "") {
      yield* Either.mapLeft(pem.certificates(tls.ca), (problem) => invalid(["tls", "ca"], `cannot be used: ${problem}`))
    }
    return {
      namespace,
      name,
      endpoint: yield* Either.mapLeft(
        serviceAddress.parse(endpoint, tls),
        (problem) => invalid(["endpoint"], `is not an address: ${problem}`)
      ),
      token,
      tls,
      grpcOptions
    }
  })
