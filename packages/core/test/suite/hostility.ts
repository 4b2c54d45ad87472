// An exporter among hostile peers: each gets a clear answer where HTTP/2 has room for one, nobody else notices, and nothing is left
// behind (design: semantics 10). HOSTILE_ROUNDS=100 makes the tests thorough.
import { describe, layer } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as raw from "../support/rawGrpc.ts"
import * as rawHttp2 from "../support/rawHttp2.ts"
import * as victim from "../support/victim.ts"
import { brokenHttp2 } from "./brokenHttp2.ts"
import { greedyPeers, type HostilePeer } from "./hostilePeers.ts"
import { malformedRequests } from "./malformedRequests.ts"

const rounds = Number(process.env["HOSTILE_ROUNDS"] ?? "1")

// How long others may wait for their answers during an attack. Most take milliseconds; this leaves room for a machine that
// is busy with other tests.
const patience = "5 seconds"

// How much memory may remain from one round to the next, because V8 keeps learning about the code it runs. Half of this was
// measured. A kilobyte left behind by every call would be more.
const bound = 2 * 1024 * 1024

export interface Siege {
  readonly title: string
  readonly victim: Layer.Layer<victim.Victim>
  /** The ways to the exporter. */
  readonly ways: Readonly<Record<string, (victim: victim.VictimService) => ReturnType<typeof raw.connect>>>
  readonly peers: ReadonlyArray<HostilePeer>
  /** How much more memory a greedy peer may make the exporter hold. */
  readonly more?: number
}

const client = Effect.flatMap(victim.Victim, ({ connect }) => connect)

export const hostility = ({ more = 0, peers, title, victim: layered, ways }: Siege): void => {
  const requests = peers.reduce((sum, { requests }) => sum + requests, 0)

  layer(layered, { excludeTestServices: true, timeout: "30 seconds" })(title, (it) => {
    for (const [way, connect] of Object.entries(ways)) {
      const session = Effect.flatMap(victim.Victim, connect)

      describe(`answers over ${way}`, () => {
        for (const { answer, name, request } of malformedRequests) {
          it.scoped(name, () =>
            Effect.gen(function*() {
              const { uuid } = yield* victim.Victim
              const { details = "", reset, ...rest } = yield* raw.ask(yield* session, request(uuid))
              const { details: expected = "", reset: resets = [undefined], ...others } = answer
              deepStrictEqual(rest, others)
              strictEqual(resets.includes(reset), true, `reset ${reset}`)
              if (typeof expected === "string") strictEqual(details, expected)
              else strictEqual(expected.test(details), true, details)
            }))
        }

        for (
          const type of [
            "application/grpc",
            "application/grpc+proto",
            "APPLICATION/GRPC",
            "application/grpc ; charset=utf-8"
          ]
        ) {
          it.scoped(`the content type ${type}`, () =>
            Effect.gen(function*() {
              const request = { path: raw.rpc.report, body: raw.prefixed(new Uint8Array()) }
              const answer = yield* raw.ask(yield* session, { ...request, headers: { "content-type": type } })
              deepStrictEqual(answer.code, "OK")
            }))
        }
      })
    }

    describe("makes", () => {
      for (const { bytes, costs, name } of brokenHttp2) {
        it.effect(`${name} cost ${costs}`, () =>
          Effect.gen(function*() {
            const { dial, uuid } = yield* victim.Victim
            strictEqual(yield* rawHttp2.say(dial, bytes(uuid), costs), costs)
          }))
      }
    })

    describe("holds bounded memory for", () => {
      for (const { attack, bound, name } of greedyPeers) {
        it.scoped(name, () =>
          Effect.gen(function*() {
            const target = yield* victim.Victim
            const { holdings } = target
            const { bytes: before } = yield* holdings
            yield* attack(target)
            // It grows until flow control stops it.
            let last = 0
            const held = yield* Effect.repeat(Effect.delay(holdings, "200 millis"), {
              until: ({ bytes }) => {
                const grown = bytes - last
                last = bytes
                return grown < 1_000_000
              }
            })
            strictEqual(held.bytes - before < bound + more, true, `${held.bytes - before} bytes`)
          }), 60_000)
      }
    })

    it.scoped(
      `serves others during ${requests} attacks of ${peers.length} kinds, and keeps nothing`,
      () =>
        Effect.gen(function*() {
          const target = yield* victim.Victim
          const { holdings, idle } = target

          // Waits until all attackers and newcomers are gone.
          const rest = (idle: victim.Holdings) =>
            Effect.suspend(() => {
              let last: victim.Holdings | undefined
              return holdings.pipe(
                Effect.tap((holdings) =>
                  Effect.sync(() => {
                    last = holdings
                  })
                ),
                Effect.repeat({
                  until: ({ devices, fibers, sockets }) =>
                    devices <= idle.devices && fibers <= idle.fibers && sockets <= idle.sockets,
                  schedule: Schedule.spaced("50 millis")
                }),
                Effect.zipRight(holdings),
                Effect.timeoutFail({
                  duration: "1 minute",
                  onTimeout: () =>
                    new Error(`this is left: ${JSON.stringify(last)}, and there was ${JSON.stringify(idle)}`)
                })
              )
            })

          yield* rest(idle)
          const neighbour = yield* client
          const before = yield* holdings
          // A client that has been connected all the time, and one that connects now.
          const serves = (name: string) =>
            Effect.gen(function*() {
              deepStrictEqual(yield* neighbour.call("echo", name), [name])
              const newcomer = yield* client
              deepStrictEqual(yield* newcomer.call("echo", name), [name])
            }).pipe(
              Effect.scoped,
              Effect.timeoutFail({
                duration: patience,
                onTimeout: () => new Error(`${name} keep others from being served`)
              })
            )

          const round = Effect.gen(function*() {
            for (const { attack, name } of peers) {
              yield* Effect.scoped(attack(target))
              yield* serves(name)
            }
            return yield* rest(before)
          })

          const first = yield* round
          const last = yield* Effect.zipRight(Effect.repeatN(round, rounds - 1), rest(before))
          strictEqual(last.timers <= before.timers, true, `${last.timers} timers`)
          strictEqual(
            last.bytes - first.bytes < bound,
            true,
            `${last.bytes - first.bytes} bytes more than a round before`
          )
        }),
      120_000 * rounds
    )
  })
}
