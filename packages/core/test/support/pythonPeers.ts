// The Python exporter as peers of the behaviour suite. One process serves all tests of a file on all its ports. So tests
// run one after the other, and each clears the events first.
import { afterAll } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as peer from "../suite/peer.ts"
import * as process from "./process.ts"
import * as python from "./python.ts"

class Python extends Context.Tag("test/Python")<Python, {
  readonly ready: process.ExporterProcess["ready"]
  readonly setStatus: (typeof peer.Control.Service)["setStatus"]
}>() {}

const passphrase = "correct horse battery staple"

const pythonLayer = Layer.scoped(
  Python,
  Effect.gen(function*() {
    const { ready } = yield* process.start(python.exporter(), ["--tcp", "--tls", "--passphrase", passphrase])
    // This connection saw LEASE_READY and never requests the status again, so it allows calls in every status.
    const admin = yield* ExporterConnection.fromEndpoint(Endpoint.unix(ready.unix))
    const probe = yield* admin.driver("probe")
    return {
      ready,
      setStatus: (status, message = "") => Effect.asVoid(Effect.orDie(probe.call("set_status", status, message)))
    }
  })
)

const tcp = (address: string | undefined, security: Endpoint.Trust | "insecure") =>
  Either.getOrThrow(Endpoint.parse(address ?? "", { security }))

const endpoints: ReadonlyArray<{
  readonly name: string
  readonly endpoint: (ready: process.ExporterProcess["ready"]) => Endpoint.Endpoint
  readonly reach?: peer.Reach
  readonly extent?: peer.Extent
}> = [
  { name: "python over unix", extent: "styles", endpoint: ({ unix }) => Endpoint.unix(unix) },
  { name: "python over tcp", endpoint: (ready) => tcp(ready.tcp, "insecure") },
  {
    name: "python over tls",
    endpoint: ({ tls }) => tcp(tls?.address, Endpoint.Trust.CertificateAuthority({ ca: tls?.ca ?? "" }))
  },
  {
    name: "python over tcp with a passphrase",
    endpoint: (ready) => tcp(ready.passphraseTcp, "insecure"),
    reach: { passphrase: Redacted.make(passphrase) },
    extent: "shapes"
  },
  {
    name: "python over unix through nice-grpc",
    endpoint: ({ unix }) => Endpoint.unix(unix),
    reach: { transport: "nice-grpc" }
  },
  {
    name: "python over tcp through nice-grpc",
    endpoint: (ready) => tcp(ready.tcp, "insecure"),
    reach: { transport: "nice-grpc" }
  }
]

/** The peers of a test file. Their common process starts with the first test and ends after the last one. */
export const make = (): ReadonlyArray<peer.Peer> => {
  const runtime = ManagedRuntime.make(pythonLayer)
  afterAll(() => runtime.dispose())
  const shared = Effect.map(runtime.runtimeEffect, ({ context }) => Context.get(context, Python))
  return endpoints.map(({ endpoint, extent = "transport", name, reach }, index) => ({
    name,
    session: Layer.unwrapEffect(
      Effect.map(
        shared,
        ({ ready, setStatus }) =>
          peer.session(peer.channel(endpoint(ready), reach), Layer.succeed(peer.Control, { setStatus }))
      )
    ),
    quirks: peer.pythonQuirks,
    extent,
    thorough: index === 0
  }))
}
