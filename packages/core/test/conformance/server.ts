// Our server as the conformance suite drives it: told on standard input how to listen, it says on standard output where.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import * as messages from "./messages.ts"
import { handlers } from "./service.ts"

const Request = Schema.Struct({
  useTls: Schema.optional(Schema.Boolean),
  messageReceiveLimit: Schema.optional(Schema.Number),
  serverCreds: Schema.optional(Schema.Struct({ cert: messages.Text, key: messages.Text }))
})

const program = Effect.gen(function*() {
  const { value } = yield* Effect.promise(() => messages.received().next())
  const { messageReceiveLimit, serverCreds, useTls = false } = messages.decode("ServerCompatRequest", Request, value)
  const certificate = useTls && serverCreds !== undefined
    ? { chain: serverCreds.cert, privateKey: Redacted.make(serverCreds.key) }
    : undefined
  const endpoint = yield* GrpcServer.serve(
    handlers,
    { host: "127.0.0.1", port: 0, certificate },
    { maxMessageBytes: messageReceiveLimit }
  )
  yield* messages.answer("ServerCompatResponse", {
    host: "127.0.0.1",
    port: endpoint._tag === "Unix" ? 0 : endpoint.port,
    ...(certificate === undefined ? {} : { pemCert: Buffer.from(certificate.chain).toString("base64") })
  })
  yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(program))
