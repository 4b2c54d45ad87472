// One RPC through a connection with faults.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Bytes from "../../grpc/Bytes.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { sentAfterEnd } from "../../grpc/grpcTransport.ts"
import * as frame from "../../protocol/routerFrame.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as monotonicClock from "../../util/monotonicClock.ts"
import type { Fault, Moment, Planned } from "./fault.ts"

type Status = GrpcStatus.GrpcStatusError

// An incomplete field, which no message type can decode.
const malformed = Uint8Array.of(0x0a, 0x7f)

const countOf = (moment: Moment): { readonly messages: number; readonly bytes: number } | undefined =>
  typeof moment !== "object" || "time" in moment ? undefined : { messages: Infinity, bytes: Infinity, ...moment }

// The connection that all RPCs of a channel share. While it is down, RPCs fail as on a socket without a listener.
export class FaultyConnection {
  private readonly calls = new Set<FaultyCall>()
  private downUntil = 0

  constructor(readonly target: string) {}

  failure(rpc: string, details: string): Status {
    return GrpcStatus.lost({ rpc, target: this.target }, details)
  }

  drop(downFor: Duration.Duration): Effect.Effect<void> {
    return Effect.flatMap(monotonicClock.currentMillis, (now) => {
      this.downUntil = now + Duration.toMillis(downFor)
      return Effect.forEach([...this.calls], (call) => call.lose, { discard: true })
    })
  }

  readonly restore: Effect.Effect<void> = Effect.sync(() => {
    this.downUntil = 0
  })

  open(rpc: string, faults: ReadonlyArray<Planned>): Effect.Effect<FaultyCall, Status, Scope.Scope> {
    return Effect.flatMap(monotonicClock.currentMillis, (now) =>
      now < this.downUntil
        ? this.failure(rpc, `connect ECONNREFUSED ${this.target}`)
        : Effect.acquireRelease(
          Effect.sync(() => {
            const call = new FaultyCall(rpc, this, faults)
            this.calls.add(call)
            return call
          }),
          (call) => Effect.sync(() => this.calls.delete(call))
        ))
  }
}

export class FaultyCall {
  // Completes when the RPC is cut off from the exporter: with a failure, or as a clean end.
  private readonly cut: Deferred.Deferred<void, Status> = Deferred.unsafeMake(FiberId.none)
  private lost = false
  private pausedUntil = 0
  private corrupting: "bytes" | "message" | undefined
  private messages = 0
  private bytes = 0
  private unfired: ReadonlyArray<Planned>
  // Cancel the RPC at the exporter, and end its input there; the transport sets them when it begins the RPC.
  abort: Effect.Effect<void> = Effect.void
  finish: Effect.Effect<void> = Effect.void

  constructor(
    private readonly rpc: string,
    private readonly connection: FaultyConnection,
    faults: ReadonlyArray<Planned>
  ) {
    this.unfired = faults
  }

  private status(code: GrpcStatus.GrpcCode, details: string, origin: GrpcStatus.StatusOrigin): Status {
    return new GrpcStatus.GrpcStatusError({ code, details, origin, rpc: this.rpc, target: this.connection.target })
  }

  // A loss does not wait for the exporter, which learns of it later, if at all.
  readonly lose: Effect.Effect<void> = Effect.suspend(() => {
    this.lost = true
    return Effect.zipRight(
      Deferred.fail(this.cut, this.connection.failure(this.rpc, "Connection dropped")),
      interruptible.forkDaemon(Effect.suspend(() => this.abort))
    )
  })

  // Releases the exporter's side, without waiting once the connection is lost.
  readonly release = (release: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => this.lost ? Effect.asVoid(interruptible.forkDaemon(release)) : release)

  readonly cancelled: Effect.Effect<void> = Effect.suspend(() =>
    Effect.asVoid(Deferred.fail(this.cut, this.status("CANCELLED", "the RPC was cancelled by this client", "client")))
  )

  // Fails when the RPC is cut off; with none for a clean end.
  private readonly whenCut: Effect.Effect<never, Option.Option<Status>> = Effect.suspend(() =>
    Effect.matchEffect(Deferred.await(this.cut), {
      onFailure: (status) => Effect.fail(Option.some(status)),
      onSuccess: () => Effect.fail(Option.none())
    })
  )

  private readonly uncut: Effect.Effect<void, Option.Option<Status>> = Effect.flatMap(
    Deferred.isDone(this.cut),
    (done) => done ? this.whenCut : Effect.void
  )

  // Runs an effect of the exporter's side until the RPC is cut off.
  readonly race = <A, R>(
    effect: Effect.Effect<A, Option.Option<Status>, R>
  ): Effect.Effect<A, Option.Option<Status>, R> =>
    Effect.zipRight(this.uncut, interruptible.raceFirst(effect, this.whenCut))

  // Waits while the RPC is paused, and then checks again, because a fault may have paused it again from the other
  // direction.
  readonly pass: Effect.Effect<void, Option.Option<Status>> = Effect.flatMap(
    monotonicClock.currentMillis,
    (now) => now >= this.pausedUntil ? this.uncut : Effect.zipRight(this.race(this.pause(now)), this.pass)
  )

  private pause(now: number): Effect.Effect<void> {
    return this.pausedUntil === Infinity ? Effect.never : Effect.sleep(this.pausedUntil - now)
  }

  private fire(due: (moment: Moment) => boolean): Effect.Effect<void> {
    return Effect.suspend(() => {
      const firing = this.unfired.filter(({ fault }) => due(fault.at))
      this.unfired = this.unfired.filter((planned) => !firing.includes(planned))
      return Effect.forEach(
        firing,
        (planned) => Effect.zipRight(this.apply(planned.fault), Effect.sync(() => planned.settle())),
        { discard: true }
      )
    })
  }

  private apply(fault: Fault): Effect.Effect<void> {
    switch (fault._tag) {
      case "Drop":
        return this.connection.drop(fault.downFor)
      case "Truncate":
        return Effect.zipRight(Deferred.succeed(this.cut, undefined), Effect.suspend(() => this.finish))
      case "Pause":
        return Effect.map(monotonicClock.currentMillis, (now) => {
          this.pausedUntil = Math.max(this.pausedUntil, now + Duration.toMillis(fault.duration))
        })
      case "Corrupt":
        return Effect.sync(() => {
          this.corrupting = fault.what
        })
      case "Fail":
        return Effect.zipRight(
          Deferred.fail(this.cut, this.status(fault.code, fault.details, "peer")),
          interruptible.forkDaemon(Effect.suspend(() => this.abort))
        )
    }
  }

  readonly before: Effect.Effect<void, Option.Option<Status>> = Effect.suspend(() =>
    Effect.zipRight(this.fire((at) => at === "before"), this.pass)
  )

  readonly after: Effect.Effect<void, Option.Option<Status>> = Effect.suspend(() =>
    Effect.zipRight(this.fire((at) => at === "after"), this.pass)
  )

  // Triggers the faults of an RPC in progress: those at its start, and those on the clock.
  readonly underWay: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    const timed = this.unfired.flatMap(({ fault: { at } }) =>
      typeof at === "object" && "time" in at ? [{ at, time: at.time }] : []
    )
    return Effect.zipRight(
      Effect.forEach(
        timed,
        ({ at, time }) => interruptible.forkScoped(Effect.delay(this.fire((due) => due === at), time)),
        { discard: true }
      ),
      Effect.zipRight(Effect.yieldNow(), this.reached)
    )
  })

  // Triggers the faults whose count of messages or bytes has passed.
  readonly reached: Effect.Effect<void> = Effect.suspend(() =>
    this.fire((at) => {
      const count = countOf(at)
      return count !== undefined && (this.messages >= count.messages || this.bytes >= count.bytes)
    })
  )

  // Counts a message that passes, outside of byte streams.
  message(message: Uint8Array): Uint8Array {
    this.messages++
    this.bytes += message.length
    return this.corrupted(message)
  }

  corrupted(message: Uint8Array): Uint8Array {
    if (this.corrupting === undefined) return message
    this.corrupting = undefined
    return malformed
  }

  // Counts bytes of a byte stream that pass, up to the moment of the next fault. Returns a frame of these bytes, and
  // the rest.
  bytesOf(payload: Uint8Array): { readonly passed: Uint8Array; readonly rest: Uint8Array } {
    const until = Math.min(...this.unfired.map(({ fault }) => countOf(fault.at)?.bytes ?? Infinity))
    const piece = payload.subarray(0, Math.max(0, until - this.bytes))
    const what = this.corrupting
    this.corrupting = undefined
    this.messages++
    this.bytes += piece.length
    return {
      passed: what === "message"
        ? malformed
        : Bytes.join(frame.encodeData(what === "bytes" ? piece.map((byte) => ~byte) : piece)),
      rest: payload.subarray(piece.length)
    }
  }

  // The failure of sending on an RPC that was cut off.
  readonly unsendable = (end: Option.Option<Status>): Status =>
    Option.getOrElse(
      end,
      () => sentAfterEnd({ rpc: this.rpc, target: this.connection.target })
    )
}
