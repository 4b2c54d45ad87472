// The certificate that an exporter presents.
import * as Endpoint from "@effect-jumpstarter/core/Endpoint"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Tls from "node:tls"
import type { Target } from "../options.ts"
import { type Check, note, ok, problem } from "./check.ts"

interface Presented {
  readonly subject: string
  readonly from: number
  readonly to: number
}

// Nothing is sent, so nothing has to be trusted.
const presented = ({ host, port }: Endpoint.Tls): Effect.Effect<Presented, Error> =>
  Effect.async((resume) => {
    const socket = Tls.connect({
      host,
      port,
      servername: /^[\d.]+$|:/.test(host) ? "" : host,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"]
    })
    socket.once("secureConnect", () => {
      const { subject, subjectaltname, valid_from, valid_to } = socket.getPeerCertificate()
      socket.destroy()
      resume(Effect.succeed({
        subject: subjectaltname ?? String(subject?.CN ?? "no name"),
        from: Date.parse(valid_from),
        to: Date.parse(valid_to)
      }))
    })
    socket.on("error", (error: Error) => resume(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  })

const bound = "5 seconds"

const week = Duration.toMillis("7 days")

const days = (millis: number): string => {
  const count = Math.max(1, Math.round(millis / Duration.toMillis("1 day")))
  return count === 1 ? "1 day" : `${count} days`
}

const judge = ({ from, subject, to }: Presented, now: number): Check =>
  now < from
    ? problem("certificate", `that of ${subject} begins in ${days(from - now)}`, "set the clock of this machine")
    : now > to
    ? problem("certificate", `that of ${subject} expired ${days(now - to)} ago`, "renew the exporter's certificate")
    : now > to - week
    ? problem("certificate", `that of ${subject} expires in ${days(to - now)}`, "renew the exporter's certificate")
    : ok("certificate", `that of ${subject} is valid for another ${days(to - now)}`)

// Nothing listens, or there is no such host. The check of the exporter says what to do.
const isUnreachable = (error: Error): boolean =>
  "syscall" in error && (error.syscall === "connect" || error.syscall === "getaddrinfo")

const check = (endpoint: Endpoint.Tls): Effect.Effect<Check> =>
  presented(endpoint).pipe(
    Effect.timeoutFail({ duration: bound, onTimeout: () => new Error(`no answer within ${bound}`) }),
    Effect.zip(Clock.currentTimeMillis),
    Effect.match({
      onFailure: (error) =>
        isUnreachable(error)
          ? note("certificate", `unknown, because ${Endpoint.format(endpoint)} cannot be reached: ${error.message}`)
          : problem(
            "certificate",
            `there is no TLS at ${Endpoint.format(endpoint)}: ${error.message}`,
            "use --insecure or tcp:// if the exporter has no TLS"
          ),
      onSuccess: ([certificate, now]) => judge(certificate, now)
    })
  )

/** Only an address with TLS has a certificate. */
export const checks = (target: Target): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.gen(function*() {
    const address = Option.getOrElse(target.host, () => "")
    const host = address === "" ? yield* Config.withDefault(Config.string("JUMPSTARTER_HOST"), "") : address
    const insecure = target.insecure || (yield* Config.withDefault(Config.string("JMP_GRPC_INSECURE"), "")) === "1"
    if (host === "") return []
    const endpoint = Endpoint.parse(host, insecure ? { security: "insecure" } : {})
    if (Either.isLeft(endpoint)) {
      return [
        problem("address", endpoint.left.message, "write a socket, HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT")
      ]
    }
    return endpoint.right._tag === "Tls"
      ? [yield* check(endpoint.right)]
      : [note("certificate", `${Endpoint.format(endpoint.right)} has none`)]
  }).pipe(Effect.orDie)
