// A lab in simulated time: many clients that want one exporter or several, while the controller, the router and exporters are lost at
// times and come back.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as Exporter from "../../src/host/Exporter.ts"
import type * as heldLease from "../../src/lease/heldLease.ts"
import type { MemberRequest } from "../../src/lease/leaseRequest.ts"
import * as leaseSet from "../../src/lease/leaseSet.ts"
import type { Dial } from "../../src/lease/opening.ts"
import type { ExporterStatus } from "../../src/protocol/ExporterStatus.ts"
import * as rpcs from "../../src/protocol/rpcs.ts"
import * as ControllerTest from "../../src/testing/ControllerTest.ts"
import * as Faults from "../../src/testing/Faults.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import { exporterOf, metadataOf, status } from "./controller.ts"
import { acquire, clientOf, logged } from "./leaseBench.ts"
import * as simulatedTime from "./simulatedTime.ts"

export interface Size {
  readonly exporters: number
  readonly kinds: number
  readonly clients: number
  /** Clients come in waves, one at the begin of each hour. */
  readonly hours: number
}

export interface Outcome {
  /** How many clients had what they wanted, for as long as they wanted it. */
  readonly served: number
  /** How many leases they used until then. */
  readonly used: number
  /** How many leases they could not connect to or use, and therefore released before they began anew. */
  readonly failed: number
  /** How many leases with an exporter were released for want of the others of their set. */
  readonly givenBack: number
  readonly leases: ReadonlyArray<ControllerTest.LeaseView>
  readonly holdings: ReadonlyArray<ControllerTest.Holding>
  readonly exporters: ReadonlyArray<ControllerTest.ExporterView>
  /** What the clients logged. */
  readonly lines: ReadonlyArray<string>
}

/** That of `npm run soak`. */
export const fullSize: Size = { exporters: 300, kinds: 30, clients: 500, hours: 2 }

/** The periods in which somebody had an exporter that somebody else had already. */
const overlaps = (holdings: ReadonlyArray<ControllerTest.Holding>): ReadonlyArray<ControllerTest.Holding> => {
  const latest = new Map<string, number>()
  return [...holdings].sort((a, b) => a.from - b.from).filter(({ exporter, from, until = Infinity }) => {
    const before = latest.get(exporter) ?? 0
    latest.set(exporter, Math.max(before, until))
    return from < before
  })
}

/** What is wrong with an outcome; nothing if all were served, no exporter was held twice, and nothing is left over. */
export const problems = (
  { exporters, failed, givenBack, holdings, leases, lines, served, used }: Outcome,
  { clients }: Size
): ReadonlyArray<string> => {
  const none = (what: string, found: ReadonlyArray<unknown>) =>
    found.length === 0 ? [] : [`${found.length} ${what}, such as ${JSON.stringify(found[0])}`]
  const vain = leases.length - used - failed
  // Of a hundred leases that are used, at most one is requested in vain, and at most one is held in vain.
  const limit = Math.ceil(used / 100)
  return [
    ...(served === clients ? [] : [`${served} of ${clients} clients were served`]),
    ...none("exporters were held twice", overlaps(holdings)),
    ...none("leases were not released", leases.filter(({ ended, reason }) => !ended || reason !== "Released")),
    ...none("exporters are still held", holdings.filter(({ until }) => until === undefined)),
    ...none(
      "exporters are not free",
      exporters.filter(({ lease, status }) => lease !== undefined || status !== "AVAILABLE")
    ),
    ...none("warnings", lines.filter((line) => line.includes("could not be released"))),
    ...(vain <= limit ? [] : [`${vain} leases were requested in vain, and ${used} were used`]),
    ...(givenBack <= limit ? [] : [`${givenBack} leases were released for want of others, and ${used} were used`])
  ]
}

const between = (least: number, most: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Random.nextRange(least, most), (value) => Duration.seconds(value))

const pause = (least: number, most: number): Effect.Effect<void> => Effect.flatMap(between(least, most), Effect.sleep)

// In seconds.
const hour = 3600
const wave = hour / 8

interface Board {
  readonly name: string
  readonly credentials: ControllerTest.Credentials
  /** Of the exporter that runs now. */
  readonly handlers: Map<string, GrpcHandler>
  /** Of the connections to it. */
  readonly connections: Set<Faults.Control>
  isUp: boolean
}

/** The exporter of a board: it is leased, and cleans up for some seconds after some leases. */
const exporter = (lab: ControllerTest.Control, { credentials, handlers, name }: Board) =>
  Effect.gen(function*() {
    const host = yield* Exporter.make(
      Driver.make({ client: "none.Client", methods: { name: Driver.call(() => Effect.succeed(name)) } }),
      { localLogs: false }
    )
    host.handlers.forEach((handler, rpc) => handlers.set(rpc, handler))
    // The last lines of a log are waited for in real time, which has no place here.
    handlers.delete(rpcs.ofExporter(ExporterServiceDefinition.methods.logStream))
    const { notices, register, report } = exporterOf(lab, metadataOf(credentials))
    const become = (name: ExporterStatus, number: number) =>
      Effect.zipRight(host.setStatus(name), Effect.retry(report(number), { while: () => Effect.as(pause(1, 3), true) }))
    let wasLeased = false
    const listen = Effect.zipRight(
      register(),
      Stream.runForEach(notices, ({ leased }) =>
        Effect.gen(function*() {
          if (wasLeased && !leased && (yield* Random.nextBoolean)) {
            yield* become("AFTER_LEASE_HOOK", status.afterLease)
            yield* pause(1, 4)
          }
          wasLeased = leased
          yield* leased ? become("LEASE_READY", status.ready) : become("AVAILABLE", status.available)
        }))
    )
    return yield* Effect.forever(Effect.zipRight(Effect.ignore(listen), pause(1, 3)))
  }).pipe(Effect.scoped, Effect.orDie)

/** Other clients come between two requests of one. */
const distant = (channel: GrpcChannel.Channel): GrpcChannel.Channel => ({
  ...channel,
  unary: (rpc, message, options) => Effect.zipRight(pause(0.01, 0.2), channel.unary(rpc, message, options))
})

/** The boards of a lab, and the ways to them. */
class Field {
  private hasRouter = true

  constructor(private readonly lab: ControllerTest.Control, private readonly boards: ReadonlyMap<string, Board>) {}

  readonly dial: Dial = (_, lease) =>
    Effect.gen(this, function*() {
      const leased = (yield* this.lab.leases).find(({ name }) => name === lease)
      const board = this.boards.get(leased?.exporter ?? "")
      if (board === undefined) return yield* Effect.dieMessage(`${lease} has no exporter`)
      const { channel, control } = yield* Faults.make(
        yield* GrpcChannel.fromHandlers(board.handlers, { target: `lease ${lease}` })
      )
      yield* Effect.acquireRelease(
        Effect.sync(() => board.connections.add(control)),
        () => Effect.sync(() => board.connections.delete(control))
      )
      yield* this.refresh(board)
      return channel
    })

  /** Loses the router, and all connections with it. */
  readonly routerIs = (isUp: boolean): Effect.Effect<void> =>
    Effect.suspend(() => {
      this.hasRouter = isUp
      return Effect.forEach(this.boards.values(), (board) => this.refresh(board), { discard: true })
    })

  /** Runs the exporter of a board, which is lost now and then and starts anew. */
  readonly run = (board: Board, losses: number, within: number): Effect.Effect<never> =>
    Effect.gen(this, function*() {
      for (let left = losses; left > 0; left--) {
        const lost = Effect.sleep(yield* between(0, within / losses))
        yield* Effect.raceFirst(exporter(this.lab, board), lost)
        board.handlers.clear()
        board.isUp = false
        yield* this.refresh(board)
        yield* Effect.orDie(this.lab.takeOffline(board.name))
        yield* pause(5, 60)
        board.isUp = true
        yield* this.refresh(board)
      }
      return yield* exporter(this.lab, board)
    })

  private refresh({ connections, isUp }: Board): Effect.Effect<void> {
    return Effect.forEach(
      [...connections],
      (control) => this.hasRouter && isUp ? control.restore : control.dropConnection,
      { discard: true }
    )
  }
}

/** The two kinds that are wanted most have few exporters. */
const kindOf = (index: number, kinds: number): string => `k${index < 10 ? index % 2 : 2 + index % (kinds - 2)}`

/** Popular kinds are wanted far more often than others. */
const popular = (kinds: number): Effect.Effect<number> =>
  Effect.map(Random.next, (value) => Math.floor(kinds * value ** 2))

// Nobody looks at the status of an exporter while nothing is done with it.
const connect = { statusPolling: { idle: "1 hour" } } as const

const wanted = (kinds: number): Effect.Effect<Readonly<Record<string, MemberRequest>>> =>
  Effect.gen(function*() {
    const value = yield* Random.next
    const count = value < 0.8 ? 1 : value < 0.92 ? 2 : 3
    const requests: Record<string, MemberRequest> = {}
    for (let index = 0; index < count; index++) {
      requests[`board${index}`] = { selector: `kind=k${yield* popular(kinds)}`, duration: "12 hours", connect }
    }
    return requests
  })

const program = ({ clients, exporters, hours, kinds }: Size): Effect.Effect<Outcome, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const begun = yield* Clock.currentTimeMillis
    const lab = yield* ControllerTest.make()
    const boards = new Map<string, Board>()
    for (let index = 0; index < exporters; index++) {
      const name = `e${index}`
      const credentials = yield* lab.addExporter(name, { labels: { kind: kindOf(index, kinds) } })
      boards.set(name, { name, credentials, handlers: new Map(), connections: new Set(), isUp: true })
    }
    const field = new Field(lab, boards)
    for (const [index, board] of [...boards.values()].entries()) {
      yield* Effect.forkScoped(field.run(board, index % 8 === 0 ? 1 : 0, hours * hour))
    }
    // While the clients of a wave are there.
    const hazards = Effect.gen(function*() {
      yield* pause(10, wave / 2)
      yield* lab.stop
      yield* pause(1, 20)
      yield* lab.start
      yield* pause(10, wave / 2)
      yield* field.routerIs(false)
      yield* pause(1, 20)
      yield* field.routerIs(true)
    })
    const eachHour = Effect.forEach(
      Array.from({ length: hours }, (_, index) => index),
      (index) => Effect.delay(hazards, Duration.seconds(index * hour)),
      { concurrency: "unbounded" }
    )
    yield* Effect.forkScoped(Effect.orDie(eachHour))

    const lines: Array<string> = []
    let served = 0
    let used = 0
    let failed = 0

    const call = ({ connection, exporter }: heldLease.HeldLease) =>
      Effect.gen(function*() {
        const name = yield* Effect.option(connection.root.call("name"))
        // A connection may be lost, but it does not lead elsewhere.
        if (name._tag === "Some" && name.value !== exporter.name) {
          yield* Effect.dieMessage(`${exporter.name} is ${String(name.value)}`)
        }
      })

    const client = (index: number) =>
      Effect.gen(function*() {
        yield* Effect.sleep(Duration.seconds((index % hours) * hour))
        yield* pause(0, wave)
        const controller = yield* clientOf(lab, `c${index}`, distant)
        const requests = yield* wanted(kinds)
        const [first, ...others] = Object.values(requests)
        if (first === undefined) return
        const held = Effect.suspend(() =>
          others.length === 0
            ? Effect.map(acquire(controller, first, field.dial), (lease) => [lease])
            : Effect.map(leaseSet.acquire(controller, requests, field.dial), (leases) => Object.values(leases))
        )
        const use = Effect.scoped(Effect.gen(function*() {
          const leases = yield* held
          yield* pause(5, 55)
          yield* Effect.forEach(leases, call)
        }))
        for (;;) {
          const outcome = yield* Effect.either(use)
          if (Either.isRight(outcome)) break
          failed += others.length + 1
          yield* pause(5, 15)
        }
        served++
        used += others.length + 1
      }).pipe(Effect.scoped)

    yield* Effect.forEach(Array.from({ length: clients }, (_, index) => index), client, {
      concurrency: "unbounded"
    }).pipe(Effect.provide(logged(lines)))
    // An exporter can be lost up to the last second, and is away for a minute then.
    const passed = (yield* Clock.currentTimeMillis) - begun
    yield* Effect.sleep(Duration.millis(Math.max(0, hours * hour * 1000 - passed)))
    yield* Effect.sleep("2 minutes")
    return {
      served,
      used,
      givenBack: lines.flatMap((line) => /; released: (.*)$/.exec(line)?.[1]?.split(/, | and /) ?? []).length,
      leases: yield* lab.leases,
      holdings: yield* lab.holdings,
      exporters: yield* lab.exporters,
      failed,
      lines
    }
  })

export const run = (seed: number, size: Size): Effect.Effect<Outcome, unknown> =>
  simulatedTime.run(seed)(Effect.scoped(program(size)))
