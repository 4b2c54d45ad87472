// Keeps a lease from being left behind: knows whether it may exist, and deletes it then. Creating and deleting wait for each other, so no
// lease is created after the release.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { ControllerClient } from "../controller/Controller.ts"
import { type ControllerError, type ControllerReason, mayPass } from "../controller/controllerError.ts"
import type { LeaseInfo } from "../controller/records.ts"
import * as interruptible from "../util/interruptible.ts"

// A lease that does not exist yet may exist a moment later: a delete can overtake the create whose response was lost.
const bound = Duration.seconds(30)

const attemptBound = Duration.seconds(10)

const pause = Schedule.spaced("1 second")

// After these failures there is no lease, whatever was repeated.
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

export class Release {
  private existence: "none" | "unknown" | "made" = "none"
  private closed = false
  private readonly turn = Effect.unsafeMakeSemaphore(1)

  constructor(private readonly controller: ControllerClient, private readonly name: string) {}

  /** Creates the lease, unless it was released. Cannot be interrupted while the request runs. */
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

  /** Whether a lease of this name can be one that was created here. */
  readonly mayExist: Effect.Effect<boolean> = Effect.sync(() => this.existence !== "none")

  /** There is nothing to release: the lease has ended, or belongs to another client. */
  readonly forget: Effect.Effect<void> = Effect.suspend(() => this.become("none"))

  /** Releases the lease if there is one, within 30 seconds. Does nothing the second time. */
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
        Effect.retry({ while: (error) => mayPass(error) || error.reason === "NotFound", schedule: pause }),
        interruptible.timeoutOption(bound),
        Effect.flatMap(Option.match({
          onNone: () => last === undefined || last.reason === "NotFound" ? Effect.void : last,
          onSome: Effect.succeed
        }))
      )
    })
  }
}
