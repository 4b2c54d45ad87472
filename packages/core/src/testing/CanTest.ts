/**
 * A fake CAN bus with nodes that answer.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Can from "../drivers/Can.ts"
import * as Driver from "../host/Driver.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as interruptible from "../util/interruptible.ts"
import * as monotonicClock from "../util/monotonicClock.ts"

/**
 * The driver, with the state that a test can observe and change.
 *
 * @since 0.1.0
 * @category testing
 */
export interface CanTest {
  readonly driver: Driver.Driver
  /** Every frame that clients have put on the bus, the periodic ones as well, in order. */
  readonly sent: Effect.Effect<ReadonlyArray<Can.Frame>>
  /** The number of tasks that send frames periodically. */
  readonly periodic: Effect.Effect<number>
  /** Puts a frame of another node on the bus. */
  readonly inject: (frame: Can.Frame) => Effect.Effect<void>
  /** Makes every call fail with this failure, as a bus does that is off; `undefined` ends this. */
  readonly setFailure: (failure: DriverFailure.DriverFailure | undefined) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category testing
 */
export interface CanTestOptions {
  /** What the other nodes answer to a frame of a client; nothing by default. */
  readonly answer?: ((frame: Can.Frame) => Iterable<Can.Frame>) | undefined
  /** Whether the interface filters by itself; false by default, as with most of them. */
  readonly filters?: boolean | undefined
}

interface Task {
  readonly run: Effect.Effect<void>
  readonly fiber: Fiber.RuntimeFiber<void> | undefined
}

/**
 * Makes a bus. Frames of its nodes wait in one queue until a client takes them. Waiting and periodic frames follow
 * Effect's clock, and end with the scope.
 *
 * @since 0.1.0
 * @category testing
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Can } from "@effect-jumpstarter/core/drivers"
 * import { CanTest, ExporterTest } from "@effect-jumpstarter/core/testing"
 * import { Effect, Stream } from "effect"
 *
 * class VehicleBus extends Device.Tag("acme/VehicleBus", Can.contract)<VehicleBus>() {}
 *
 * const test = Effect.gen(function*() {
 *   const bus = yield* CanTest.make({
 *     answer: ({ arbitration_id }) => arbitration_id === 0x7df ? [Can.frame(0x7e8, Uint8Array.of(4, 0x41, 0x0c))] : []
 *   })
 *   return yield* Effect.gen(function*() {
 *     const vehicle = yield* VehicleBus
 *     yield* vehicle.send(Can.frame(0x7df, Uint8Array.of(2, 1, 0x0c)))
 *     return yield* Stream.runHead(Can.receive(vehicle))
 *   }).pipe(Effect.provide(VehicleBus.layer("can")), Effect.provide(ExporterTest.layer({ can: bus.driver })))
 * }).pipe(Effect.scoped)
 * ```
 */
export const make = (options: CanTestOptions = {}): Effect.Effect<CanTest, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const sent: Array<Can.Frame> = []
    const waiting: Array<Can.Frame> = []
    const arrived = yield* Effect.makeLatch(false)
    const tasks = new Map<string, Task>()
    let made = 0
    let state: Can.BusState = "active"
    let filters: ReadonlyArray<Can.Filter> = []
    let failure: DriverFailure.DriverFailure | undefined

    const guard = Effect.suspend(() => failure ?? Effect.void)
    const inject = (frame: Can.Frame) =>
      Effect.flatMap(monotonicClock.currentMillis, (now) =>
        Effect.suspend(() => {
          if (!Can.matches(frame, filters)) return Effect.void
          waiting.push({ ...frame, timestamp: now / 1000, is_rx: true })
          return arrived.open
        }))
    const send = (frame: Can.Frame) =>
      Effect.suspend(() => {
        sent.push(frame)
        return Effect.forEach(options.answer?.(frame) ?? [], inject, { discard: true })
      })

    // The frame is taken in the step that returns it, so that no frame is lost when the time is over.
    const take: Effect.Effect<Can.Frame> = Effect.zipRight(
      arrived.await,
      Effect.suspend(() => {
        const [frame] = waiting.splice(0, 1)
        if (frame === undefined) return Effect.zipRight(arrived.close, take)
        return Effect.succeed(frame)
      })
    )
    const takeWithin = (seconds: number | null): Effect.Effect<Can.Frame | null> => {
      if (waiting.length > 0 || seconds === null) return take
      return Effect.flatMap(
        interruptible.timeoutOption(arrived.await, Duration.seconds(seconds)),
        (opened) => Option.isSome(opened) && waiting.length > 0 ? take : Effect.succeed(null)
      )
    }

    const find = (id: string) =>
      Effect.suspend(() => {
        const task = tasks.get(id)
        return task === undefined ? DriverFailure.make("Other", `there is no task ${id}`) : Effect.succeed(task)
      })
    const start = (id: string, { run }: Task) =>
      Effect.map(interruptible.forkIn(run, scope), (fiber) => void tasks.set(id, { run, fiber }))

    return {
      driver: Driver.fromInterface(Can.contract, {
        _recv_internal: (seconds) =>
          Effect.zipRight(
            guard,
            Effect.map(Effect.suspend(() => takeWithin(seconds)), (frame) => [frame, options.filters === true] as const)
          ),
        send: (frame) => Effect.zipRight(guard, send(frame)),
        _send_periodic_internal: (frames, period, duration, autostart) =>
          Effect.gen(function*() {
            yield* guard
            if (frames.some(({ arbitration_id }) => arbitration_id !== frames[0].arbitration_id)) {
              return yield* DriverFailure.make("InvalidArgument", "periodic frames need one identifier")
            }
            made++
            const id = `00000000-0000-4000-8000-${made.toString(16).padStart(12, "0")}`
            const next = (index: number) => send(frames[index % frames.length] ?? frames[0])
            const repeated = Effect.iterate(0, {
              while: () => true,
              body: (index) =>
                Effect.as(Effect.zipRight(next(index), Effect.sleep(Duration.seconds(period))), index + 1)
            })
            const run = duration === undefined
              ? Effect.asVoid(repeated)
              : Effect.asVoid(interruptible.timeoutOption(repeated, Duration.seconds(duration)))
            const task: Task = { run, fiber: undefined }
            tasks.set(id, task)
            if (autostart) yield* start(id, task)
            return id
          }),
        _start_task: (id) => Effect.zipRight(guard, Effect.flatMap(find(id), (task) => start(id, task))),
        _stop_task: (id) =>
          Effect.flatMap(find(id), ({ fiber }) => {
            tasks.delete(id)
            return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))
          }),
        state: (next) =>
          Effect.zipRight(
            guard,
            Effect.sync(() => {
              if (next === undefined) return state
              state = next
              return null
            })
          ),
        protocol: () => Effect.succeed("can-fd" as const),
        channel_info: () => Effect.succeed("a fake bus"),
        _apply_filters: (next) =>
          options.filters === true
            ? Effect.sync(() => {
              filters = next ?? []
            })
            : DriverFailure.make("NotImplemented", "the interface cannot filter"),
        flush_tx_buffer: () => guard,
        shutdown: () =>
          Effect.sync(() => {
            failure = DriverFailure.make("Other", "the bus is closed")
          })
      }),
      sent: Effect.sync(() => [...sent]),
      periodic: Effect.sync(() => Array.from(tasks.values()).filter(({ fiber }) => fiber !== undefined).length),
      inject,
      setFailure: (next) =>
        Effect.sync(() => {
          failure = next
        })
    }
  })
