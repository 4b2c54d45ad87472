// The controller over TLS: which servers a client trusts, and how a missing one is reported.
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lookup } from "node:dns/promises"
import type * as ClientConfig from "../../src/controller/ClientConfig.ts"
import * as Controller from "../../src/controller/Controller.ts"
import * as GrpcServer from "../../src/transport/GrpcServer.ts"
import * as certificates from "../support/certificates.ts"
import * as fake from "../support/fakeController.ts"

const serve = (host: string) =>
  Effect.gen(function*() {
    const { ca, certificate } = yield* certificates.localhost
    const endpoint = yield* GrpcServer.serve(
      fake.handlers({ getLease: () => Effect.succeed(fake.lease()) }),
      { host, port: 0, certificate }
    )
    return { ca, port: endpoint._tag === "Unix" ? 0 : endpoint.port }
  })

const lease = (values: Partial<ClientConfig.ClientConfigValues>) =>
  Effect.flatMap(
    Controller.make(fake.config(values)),
    (controller) => controller.within("2 seconds").lease("l1")
  ).pipe(Effect.provideService(HttpClient.HttpClient, fake.noIssuer))

const addresses = (await lookup("localhost", { all: true })).map(({ address }) => address)

describe("a controller over TLS", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    // Some machines resolve localhost to one address only.
    it.scopedLive.runIf(addresses.includes(host))(
      `is found at localhost where it listens at ${host} only`,
      () =>
        Effect.gen(function*() {
          const { ca, port } = yield* serve(host)
          strictEqual((yield* lease({ endpoint: `localhost:${port}`, tls: { ca } })).name, "l1")
          strictEqual((yield* lease({ endpoint: `localhost:${port}`, tls: { insecure: true } })).name, "l1")
        })
    )
  }

  it.scopedLive("is refused at once when another authority issued its certificate", () =>
    Effect.gen(function*() {
      const { port } = yield* serve("127.0.0.1")
      const { ca } = yield* certificates.selfSigned("localhost")
      const [duration, { reason }] = yield* Effect.timed(
        Effect.flip(lease({ endpoint: `localhost:${port}`, tls: { ca } }))
      )
      strictEqual(reason, "Untrusted")
      assertTrue(Duration.lessThan(duration, "2 seconds"), String(duration))
      strictEqual((yield* Effect.flip(lease({ endpoint: `localhost:${port}` }))).reason, "Untrusted")
    }))

  it.scopedLive("is reported as Unavailable after the time limit when nothing listens", () =>
    Effect.gen(function*() {
      const { ca } = yield* certificates.localhost
      const { code, details, reason } = yield* Effect.flip(lease({ endpoint: "127.0.0.1:1", tls: { ca } }))
      deepStrictEqual([reason, code], ["Unavailable", "UNAVAILABLE"])
      assertTrue(details.includes("ECONNREFUSED") && details.endsWith(" (for 2s)"), details)
    }))

  it.scopedLive("can be configured through Effect's Config", () =>
    Effect.gen(function*() {
      const { ca, port } = yield* serve("127.0.0.1")
      const Lab = Controller.layerConfig({
        namespace: Config.succeed("lab"),
        name: Config.string("LAB_CLIENT"),
        endpoint: Config.string("LAB_ENDPOINT"),
        token: Config.redacted("LAB_TOKEN"),
        tls: { ca: Config.succeed(ca) }
      })
      const { name } = yield* Effect.flatMap(Controller.Controller, (controller) => controller.lease("l1")).pipe(
        Effect.provide(Lab),
        Effect.provide(Layer.succeed(HttpClient.HttpClient, fake.noIssuer)),
        Effect.withConfigProvider(ConfigProvider.fromMap(
          new Map([["LAB_CLIENT", "c1"], ["LAB_ENDPOINT", `localhost:${port}`], ["LAB_TOKEN", "t"]])
        ))
      )
      strictEqual(name, "l1")
    }))
})
