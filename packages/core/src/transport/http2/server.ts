// Serves handlers over HTTP/2 on sockets. nice-grpc's server is built on grpc-js, which takes one message of a byte stream at a time
// and pauses the stream in between, and so reaches a quarter of the reference exporter's throughput.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http2 from "node:http2"
import * as Endpoint from "../../grpc/Endpoint.ts"
import type { GrpcHandlers } from "../../grpc/GrpcHandler.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import { cannotListen, type Listen, type ServerOptions } from "../listen.ts"
import * as pem from "../pem.ts"
import * as socketFile from "../socketFile.ts"
import * as socketPath from "../socketPath.ts"
import * as tlsTrust from "../tlsTrust.ts"
import * as httpService from "./service.ts"

const bound = (listen: Listen, port: number): Endpoint.Endpoint => {
  if ("path" in listen) return Endpoint.unix(listen.path)
  const reachable = listen.host === "0.0.0.0" ? "127.0.0.1" : listen.host === "::" ? "::1" : listen.host
  return listen.certificate === undefined
    ? Endpoint.tcp(reachable, port)
    : Endpoint.tls(reachable, port, tlsTrust.trusting(listen.certificate.chain, reachable))
}

const makeServer = (listen: Listen, options: ServerOptions) => {
  const sessionOptions = httpService.sessionOptions(options)
  return "path" in listen || listen.certificate === undefined
    ? Http2.createServer(sessionOptions)
    : Http2.createSecureServer({
      ...sessionOptions,
      cert: listen.certificate.chain,
      key: Redacted.value(listen.certificate.privateKey)
    })
}

const start = (
  server: Http2.Http2Server | Http2.Http2SecureServer,
  listen: hostPort.HostPort
): Effect.Effect<number, Cause.UnknownException> =>
  Effect.async((resume) => {
    // Later errors are about connections that could not be accepted; their peers notice.
    server.on("error", (error: Error) => resume(new Cause.UnknownException(error)))
    server.listen({ host: listen.host, port: listen.port }, () => {
      const address = server.address()
      resume(Effect.succeed(address === null || typeof address === "string" ? 0 : address.port))
    })
  })

const isOpenToOthers = (listen: Listen): boolean =>
  !("path" in listen) && listen.certificate === undefined && !hostPort.isLoopback(listen.host)

// Finds values that Node would throw on or misread, and a server that is open to other machines by accident.
const problemOf = (listen: Listen): string | undefined => {
  if ("path" in listen) {
    return socketPath.problemToListen(listen.path) ??
      (Number.isInteger(listen.mode ?? 0) && (listen.mode ?? 0) >= 0 && (listen.mode ?? 0) <= 0o777
        ? undefined
        : `${listen.mode} is not a file mode such as 0o660`)
  }
  return hostPort.problem(listen, 0) ??
    (listen.certificate === undefined
      ? undefined
      : pem.keyProblem(listen.certificate.chain, Redacted.value(listen.certificate.privateKey))) ??
    (isOpenToOthers(listen) && listen.insecure !== true
      ? `other machines can connect to ${listen.host} without TLS; pass a \`certificate\`, listen on 127.0.0.1, or set \`insecure: true\``
      : undefined)
}

/** `largestMessage` is the limit that `options.maxMessageBytes` cannot exceed, by default that of the protocol. */
export const serve = Effect.fnUntraced(function*(
  handlers: GrpcHandlers,
  listen: Listen,
  options: ServerOptions,
  largestMessage?: number
) {
  const listening = Effect.gen(function*() {
    const problem = problemOf(listen)
    if (problem !== undefined) return yield* new Cause.UnknownException(new Error(problem))
    const service = yield* httpService.make(handlers, options, largestMessage)
    const server = yield* Effect.try(() => makeServer(listen, options))
    server.maxConnections = options.maxConnections ?? 1_000
    server.on("session", (session: Http2.ServerHttp2Session) => service.serve(session, "path" in listen))
    return "path" in listen
      ? { port: 0, file: yield* socketFile.listen(server, listen.path, listen.mode), server, service }
      : { port: yield* start(server, listen), file: undefined, server, service }
  })

  const { port } = yield* Effect.acquireRelease(
    Effect.mapError(listening, cannotListen(hostPort.formatListen(listen))),
    ({ file, server, service }) =>
      Effect.zipRight(
        service.close((stopped) => {
          file?.remove()
          server.close(stopped)
        }),
        Effect.sync(() => file?.release())
      )
  )
  if (isOpenToOthers(listen)) {
    yield* Effect.logWarning(
      `Serving on ${
        hostPort.formatListen({ ...listen, port })
      } without TLS (\`insecure: true\`): others can read and change the traffic`
    )
  }
  return bound(listen, port)
})
