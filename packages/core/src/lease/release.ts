// What keeps a lease from being lost: it knows whether a lease may exist, and deletes it then. Requests to make it and to delete it wait
// for each other, so that none is made after the release.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { ControllerClient } from "../controller/Controller.ts"
import type { ControllerError, ControllerReason } from "../controller/controllerError.ts"
import type { LeaseInfo } from "../controller/records.ts"
import * as interruptible from "../util/interruptible.ts"

// A lease that does not exist yet may do so a moment later: a delete can overtake the create whose answer was lost.
const bound = Duration.seconds(30)

const attemptBound = Duration.seconds(10)

const pause = Schedule.spaced("1 second")

// After these nothing was made, by this request or by its repetitions.
const refusals: ReadonlySet<ControllerReason> = new Set([
  "Unauthenticated",
  "TokenExpired",
  "RefreshFailed",
  "UnknownClient",
  "PermissionDenied",
  "Invalid",
  "AlreadyExists",
  "Unsupported",
  "Untrusted"
])

// It may help to ask again.
const passes: ReadonlySet<ControllerReason> = new Set([
  "NotFound",
  "Busy",
  "Starting",
  "Unavailable",
  "TimedOut"
])

export class Release {
  private existence: "none" | "unknown" | "made" = "none"
  private closed = false
  private readonly turn = Effect.unsafeMakeSemaphore(1)

  constructor(private readonly controller: ControllerClient, private readonly name: string) {}

  /** Makes the lease, unless it was released. It cannot be interrupted, and takes as long as the request does. */
  create(request: (controller: ControllerClient) => Effect.Effect<LeaseInfo, ControllerError>) {
    return Effect.uninterruptible(
      this.turn.withPermits(1)(Effect.suspend(() => {
        if (this.closed) return Effect.interrupt
        const before = this.existence
        this.existence = "unknown"
        return Effect.tapBoth(request(this.controller.within(attemptBound)), {
          onSuccess: () => this.become("made"),
          onFailure: ({ reason }) => refusals.has(reason) ? this.become(before) : Effect.void
        })
      }))
    )
  }

  /** Whether a lease of this name can be one that was made here. */
  readonly mayExist: Effect.Effect<boolean> = Effect.sync(() => this.existence !== "none")

  /** There is nothing to release: the lease is over, or in other hands. */
  readonly forget: Effect.Effect<void> = Effect.suspend(() => this.become("none"))

  /** Releases what there is, in 30 seconds. What was released is not released again. */
  readonly run: Effect.Effect<void, ControllerError> = Effect.uninterruptible(
    this.turn.withPermits(1)(
      Effect.suspend(() => {
        this.closed = true
        return this.existence === "none"
          ? Effect.void
          : Effect.zipRight(this.deleted(this.existence === "made"), this.become("none"))
      })
    )
  )

  private become(existence: "none" | "unknown" | "made"): Effect.Effect<void> {
    return Effect.sync(() => {
      this.existence = existence
    })
  }

  private deleted(isMade: boolean): Effect.Effect<void, ControllerError> {
    return Effect.suspend(() => {
      let last: ControllerError | undefined
      return this.controller.within(attemptBound).deleteLease(this.name).pipe(
        Effect.catchIf(
          ({ reason }) => reason === "AlreadyReleased" || reason === "NotYours" || (isMade && reason === "NotFound"),
          () => Effect.void
        ),
        Effect.tapError((error) =>
          Effect.sync(() => {
            last = error
          })
        ),
        Effect.retry({ while: ({ reason }) => passes.has(reason), schedule: pause }),
        interruptible.timeoutOption(bound),
        Effect.flatMap(Option.match({
          onNone: () => last === undefined || last.reason === "NotFound" ? Effect.void : last,
          onSome: Effect.succeed
        }))
      )
    })
  }
}
