// The requests of a client to the controller: what they send, what they return, and which failures they retry.
import type { CreateLeaseRequest, Lease } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { Condition } from "@effect-jumpstarter/proto/jumpstarter/v1/kubernetes"
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { type ControllerClient, ControllerError, type ControllerReason } from "../../src/controller/Controller.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import type { GrpcCode } from "../../src/grpc/GrpcStatus.ts"
import * as fake from "../support/fakeController.ts"

/** Lets time pass until an effect has ended. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.DurationInput = "100 millis") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust(step)
    return yield* Fiber.join(fiber)
  })

const failing = (code: GrpcCode, details: string) => {
  const answer = () => fake.fail(code, details)
  return fake.client({ getLease: answer, dial: answer, updateLease: answer, deleteLease: answer })
}

describe("a request carries", () => {
  it.scoped("the client's identity, in metadata that occurs once", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const controller = yield* fake.client({
        getLease: ({ name }, { metadata }) => {
          seen.push({
            name,
            ...Object.fromEntries(Array.from(metadata.entries).filter(([key]) => /^auth|^jump/.test(key)))
          })
          return Effect.succeed(fake.lease())
        }
      })
      yield* controller.lease("l1")
      deepStrictEqual(seen, [{
        name: "namespaces/lab/leases/l1",
        authorization: "Bearer the-token",
        "jumpstarter-kind": "Client",
        "jumpstarter-namespace": "lab",
        "jumpstarter-name": "c1"
      }])
    }))
})

describe("exporters", () => {
  it.scoped("are requested page by page as the stream is read", () =>
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const controller = yield* fake.client({
        listExporters: ({ filter, pageSize, pageToken, parent, showHiddenLabels }) => {
          asked.push({ filter, pageSize, pageToken, parent, showHiddenLabels })
          return Effect.succeed({
            exporters: [
              fake.exporter({
                name: `namespaces/lab/exporters/e${asked.length}`,
                labels: { board: "rpi4" },
                enabled: false
              })
            ],
            nextPageToken: asked.length < 3 ? `page${asked.length}` : ""
          })
        }
      })
      const first = yield* controller.exporters({ selector: "board==rpi4, !broken", pageSize: 1 }).pipe(
        Stream.take(2),
        Stream.runCollect
      )
      deepStrictEqual(Array.from(first, ({ name }) => name), ["e1", "e2"])
      deepStrictEqual(
        asked,
        ["", "page1"].map((pageToken) => ({
          filter: "board=rpi4,!broken",
          pageSize: 1,
          pageToken,
          parent: "namespaces/lab",
          showHiddenLabels: false
        }))
      )
      const [third] = yield* Stream.runCollect(controller.exporters({ hiddenLabels: true }))
      deepStrictEqual(third, {
        name: "e3",
        labels: { board: "rpi4" },
        deprecatedLabels: {},
        online: true,
        enabled: false,
        status: "AVAILABLE",
        statusMessage: ""
      })
    }))

  it.scoped("are enabled unless the service says otherwise", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({ getExporter: () => Effect.succeed(fake.exporter()) })
      const { enabled, name } = yield* controller.exporter("e1")
      deepStrictEqual({ enabled, name }, { enabled: true, name: "e1" })
    }))
})

describe("leases", () => {
  it.scoped("are read with their names, times and conditions", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({
        listLeases: ({ filter, onlyActive, tagFilter }) => {
          deepStrictEqual({ filter, onlyActive, tagFilter }, {
            filter: "board in (a,b)",
            onlyActive: false,
            tagFilter: "ci=1"
          })
          return Effect.succeed({
            leases: [
              fake.lease({
                selector: "<none>",
                exporterName: "e1",
                exporter: "namespaces/lab/exporters/e1",
                duration: { seconds: 9_223_372_036n, nanos: 854_775_807 },
                effectiveBeginTime: { seconds: 1_700_000_000n, nanos: 0 },
                conditions: [
                  { type: "Ready", status: "True", reason: "Ready", message: "m", lastTransitionTime: undefined },
                  { type: "Pending", status: "odd", lastTransitionTime: undefined }
                ]
              })
            ],
            nextPageToken: ""
          })
        }
      })
      const [lease] = yield* Stream.runCollect(
        controller.leases({ selector: "board in (a, b)", tags: "ci==1", ended: true })
      )
      deepStrictEqual(lease, {
        name: "l1",
        selector: Option.none(),
        exporterName: Option.some("e1"),
        exporter: Option.some("e1"),
        client: Option.some("c1"),
        duration: Option.some(Duration.millis(9_223_372_036_854.775)),
        effectiveDuration: Option.none(),
        beginTime: Option.none(),
        endTime: Option.none(),
        effectiveBeginTime: Option.some(DateTime.unsafeMake(1_700_000_000_000)),
        effectiveEndTime: Option.none(),
        conditions: [
          { type: "Ready", status: "True", reason: "Ready", message: "m" },
          { type: "Pending", status: "Unknown", reason: "", message: "" }
        ],
        tags: {},
        context: {},
        deprecatedLabels: {},
        allowDisabled: false
      })
    }))
})

// The texts in protocol.md 12 and in the tables of the real controller's answers.
const rows: ReadonlyArray<readonly [ControllerReason, GrpcCode, string]> = [
  ["Unauthenticated", "UNAUTHENTICATED", "missing authorization header"],
  ["Unauthenticated", "INVALID_ARGUMENT", "malformed authorization header"],
  ["Unauthenticated", "INVALID_ARGUMENT", "multiple authorization headers"],
  ["Unauthenticated", "UNKNOWN", "failed to authenticate token"],
  ["Unauthenticated", "UNKNOWN", "oidc: verify token: failed to verify signature: failed to verify id token signature"],
  [
    "TokenExpired",
    "UNKNOWN",
    "oidc: verify token: oidc: token is expired (Token Expiry: 2026-11-29 00:07:24 +0000 UTC)"
  ],
  [
    "TokenExpired",
    "UNKNOWN",
    "oidc: verify token: oidc: token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)"
  ],
  ["Unauthenticated", "UNKNOWN", "oidc: verify token: oidc: expected audience \"jumpstarter\" got [\"other\"]"],
  ["Unauthenticated", "UNKNOWN", "oidc: verify token: oidc: current time 1 before the nbf (not before) time: 2"],
  ["Starting", "UNKNOWN", "oidc: authenticator not initialized"],
  ["Unauthenticated", "INVALID_ARGUMENT", "missing metadata: jumpstarter-kind"],
  ["Unauthenticated", "INVALID_ARGUMENT", "multiple metadata: jumpstarter-kind"],
  ["Unauthenticated", "INVALID_ARGUMENT", "object kind mismatch"],
  ["Unauthenticated", "INVALID_ARGUMENT", "resource name required for pre-existing authentication"],
  ["PermissionDenied", "PERMISSION_DENIED", "permission denied for client lab/c2"],
  ["UnknownClient", "UNKNOWN", "client other/c1: clients.jumpstarter.dev \"c1\" not found"],
  ["PermissionDenied", "PERMISSION_DENIED", "namespace mismatch"],
  ["Invalid", "INVALID_ARGUMENT", "invalid number of segments in identifier \"lab\", expecting 2, got 1"],
  ["Invalid", "INVALID_ARGUMENT", "invalid third segment in identifier \"x\", expecting \"leases\", got \"exporters\""],
  ["Unsupported", "UNIMPLEMENTED", "unknown method Nope for service jumpstarter.client.v1.ClientService"],
  ["Failed", "UNKNOWN", "panic caught: runtime error: invalid memory address"],
  ["Invalid", "INVALID_ARGUMENT", "one of selector or exporter_name is required"],
  ["Invalid", "INVALID_ARGUMENT", "lease is required"],
  ["Invalid", "UNKNOWN", "duration is required (must specify Duration, or both BeginTime and EndTime)"],
  ["Invalid", "UNKNOWN", "duration must be positive, got -5s"],
  ["NotExtendable", "UNKNOWN", "duration conflicts with begin_time and end_time"],
  ["AlreadyExists", "UNKNOWN", "leases.jumpstarter.dev \"my-lease\" already exists"],
  ["Invalid", "UNKNOWN", "Lease.jumpstarter.dev \"UPPER\" is invalid: metadata.name: Invalid value: \"UPPER\""],
  ["Invalid", "UNKNOWN", "failed to parse label selector: unable to parse requirement"],
  [
    "Invalid",
    "UNKNOWN",
    "invalid selector: label a cannot have multiple equality requirements with different values (b and c)"
  ],
  ["Invalid", "UNKNOWN", "unsupported label selector operator: =="],
  ["Invalid", "INVALID_ARGUMENT", "invalid lease tags: too many tags: 11 (maximum 10)"],
  ["NotYours", "UNKNOWN", "UpdateLease permission denied"],
  ["NotYours", "UNKNOWN", "DeleteLease permission denied"],
  ["NotYours", "UNKNOWN", "permission denied"],
  ["AlreadyStarted", "UNKNOWN", "cannot update BeginTime: lease has already started"],
  ["NotActive", "UNKNOWN", "cannot transfer lease: lease has not started yet"],
  ["Ended", "UNKNOWN", "cannot transfer lease: lease has already ended"],
  ["Invalid", "UNKNOWN", "cannot transfer lease to client in different namespace"],
  ["NotFound", "UNKNOWN", "target client not found: clients.jumpstarter.dev \"nobody\" not found"],
  ["AlreadyReleased", "FAILED_PRECONDITION", "lease \"namespaces/lab/leases/L\" has already been released"],
  ["NotFound", "UNKNOWN", "leases.jumpstarter.dev \"nope\" not found"],
  ["Invalid", "UNKNOWN", "invalid continue token: illegal base64 data"],
  ["Invalid", "INVALID_ARGUMENT", "invalid tag_filter: x"],
  ["NotActive", "UNKNOWN", "lease not active"],
  ["NotReady", "FAILED_PRECONDITION", "exporter is not ready (status: Available)"],
  ["NotListening", "UNAVAILABLE", "exporter is not listening on lease L"],
  ["HookFailed", "FAILED_PRECONDITION", "exporter beforeLease hook failed"],
  ["HookFailed", "FAILED_PRECONDITION", "exporter afterLease hook failed"],
  ["ExporterOffline", "FAILED_PRECONDITION", "exporter is offline"],
  ["Invalid", "UNKNOWN", "empty lease name"],
  ["Invalid", "UNKNOWN", "invalid resource name \"a/b\": [may not contain '/']"],
  ["Busy", "RESOURCE_EXHAUSTED", "listener buffer full on lease L"],
  ["TimedOut", "DEADLINE_EXCEEDED", "context deadline exceeded"],
  ["Unavailable", "UNAVAILABLE", "the connection to the server was lost"],
  // A later service may use specific codes.
  ["NotFound", "NOT_FOUND", "no such lease"],
  ["AlreadyExists", "ALREADY_EXISTS", "there is one"],
  ["Failed", "INTERNAL", "boom"],
  ["Failed", "UNKNOWN", "something else"]
]

const transient = new Set<ControllerReason>(["Starting", "NotReady", "NotListening", "Busy", "Unavailable"])

describe("a failure has a reason", () => {
  for (const [reason, code, details] of rows) {
    it.scoped(`${reason} for ${code} ${details}`, () =>
      Effect.gen(function*() {
        const controller = (yield* failing(code, details)).within("1 second")
        const errors = yield* inTime(Effect.all([
          Effect.flip(controller.dial("L")),
          Effect.flip(controller.lease("L")),
          Effect.flip(controller.deleteLease("L"))
        ]))
        for (const [index, rpc] of ["Dial", "GetLease", "DeleteLease"].entries()) {
          const error = errors[index]
          const more = transient.has(reason) ? " (for 1s)" : ""
          deepStrictEqual(
            [error?.reason, error?.code, error?.details, error?.rpc, error?.subject, error?.target],
            [reason, code, `${details}${more}`, rpc, "L", "lab"]
          )
          assertTrue(
            error?.message.startsWith(`${rpc} L on lab failed (${reason}, ${code}): ${details}`),
            error?.message
          )
        }
      }))
  }

  it.scoped("without the controller's stack trace and without control characters", () =>
    Effect.gen(function*() {
      const trace =
        "panic caught: runtime error: nil\u001b[31m\n\ngoroutine 54 [running]:\nruntime/debug.Stack()\n\t/go/x.go:24"
      const controller = yield* failing("UNKNOWN", trace)
      const error = yield* Effect.flip(controller.lease("l1"))
      strictEqual(error.details, "panic caught: runtime error: nil\\x1b[31m")
      assertTrue(!JSON.stringify(error).includes("goroutine"), JSON.stringify(error))
    }))

  it.scoped("even if the answer is not a message", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({})
      const { reason } = yield* Effect.flip(controller.lease("l1"))
      strictEqual(reason, "Unsupported")
    }))
})

describe("a transient failure is retried", () => {
  const starting = fake.fail("UNKNOWN", "oidc: authenticator not initialized")

  it.scoped("until the request succeeds", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({ getLease: fake.after(5, starting, Effect.succeed(fake.lease())) })
      strictEqual((yield* inTime(controller.lease("l1"))).name, "l1")
    }))

  it.scoped("for thirty seconds, and a dial for the dial timeout", () =>
    Effect.gen(function*() {
      const controller = yield* failing("UNAVAILABLE", "exporter is not listening on lease l1")
      const spent = <A, E>(effect: Effect.Effect<A, E>) =>
        inTime(Effect.map(Effect.timed(Effect.flip(effect)), ([duration]) => Duration.toSeconds(duration)), "2 seconds")
      strictEqual(yield* spent(controller.lease("l1")), 30)
      strictEqual(yield* spent(controller.dial("l1")), 60)
      strictEqual(yield* spent(controller.within("2 seconds").dial("l1")), 2)
    }))

  it.scoped("unless the controller does not answer, which fails with TimedOut", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({ getLease: () => Effect.never })
      const { code, message, reason } = yield* inTime(Effect.flip(controller.lease("l1")))
      deepStrictEqual([reason, code], ["TimedOut", "DEADLINE_EXCEEDED"])
      strictEqual(
        message,
        "GetLease l1 on lab failed (TimedOut, DEADLINE_EXCEEDED): there was no answer within 30s"
      )
    }))

  it.scoped("with one line in the log", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const controller = yield* fake.client({ getLease: fake.after(5, starting, Effect.succeed(fake.lease())) })
      yield* inTime(controller.lease("l1")).pipe(
        Effect.provide(Logger.replace(
          Logger.defaultLogger,
          Logger.make(({ logLevel, message }) =>
            void (LogLevel.greaterThanEqual(logLevel, LogLevel.Info) && lines.push(String(message)))
          )
        ))
      )
      deepStrictEqual(lines, [
        "GetLease l1 on lab failed (Starting, UNKNOWN): oidc: authenticator not initialized; the controller has just " +
        "started; trying again for up to 30s"
      ])
    }))
})

describe("a lease is created", () => {
  it.scoped("with the values of the program", () =>
    Effect.gen(function*() {
      const requests: Array<CreateLeaseRequest> = []
      const controller = yield* fake.client({
        createLease: (request) => {
          requests.push(request)
          return Effect.succeed(fake.lease({ name: `namespaces/lab/leases/${request.leaseId}` }))
        }
      })
      const made = yield* controller.createLease({
        selector: "a==b",
        exporterName: "e1",
        duration: "90 seconds",
        beginTime: DateTime.unsafeMake(1_700_000_000_500),
        tags: { ci: "1" },
        context: { run: "7" },
        allowDisabled: true
      })
      const [request] = requests
      strictEqual(made.name, request?.leaseId)
      assertTrue(/^[0-9a-f-]{36}$/.test(made.name), made.name)
      const { allowDisabled, beginTime, context, duration, exporterName, selector, tags } = request?.lease ??
        fake.lease()
      deepStrictEqual({ allowDisabled, beginTime, context, duration, exporterName, selector, tags }, {
        allowDisabled: true,
        beginTime: { seconds: 1_700_000_000n, nanos: 500_000_000 },
        context: { run: "7" },
        duration: { seconds: 90n, nanos: 0 },
        exporterName: "e1",
        selector: "a=b",
        tags: { ci: "1" }
      })
      strictEqual(request?.parent, "namespaces/lab")
    }))

  // The controller has created the lease, but its answer is lost.
  const lost = (client: string, found: Partial<Lease> = {}) => {
    const made = new Set<string>()
    return fake.client({
      createLease: ({ leaseId }) =>
        Effect.suspend(() => {
          if (made.has(leaseId)) return fake.fail("UNKNOWN", `leases.jumpstarter.dev "${leaseId}" already exists`)
          made.add(leaseId)
          return fake.fail("UNAVAILABLE", "the connection was lost")
        }),
      getLease: ({ name }) => Effect.succeed(fake.lease({ name, client: `namespaces/lab/clients/${client}`, ...found }))
    })
  }

  it.scoped("once, when the answer to the first attempt was lost", () =>
    Effect.gen(function*() {
      const controller = yield* lost("c1")
      const { name } = yield* inTime(controller.createLease({ name: "mine", exporterName: "e1", duration: "1 minute" }))
      strictEqual(name, "mine")
    }))

  it.scoped("not when another client has a lease with the name", () =>
    Effect.gen(function*() {
      const controller = yield* lost("c2")
      const { reason } = yield* inTime(
        Effect.flip(controller.createLease({ name: "theirs", exporterName: "e1", duration: "1 minute" }))
      )
      strictEqual(reason, "AlreadyExists")
    }))

  const isEnded = { conditions: [{ ...Condition.create(), type: "Unsatisfiable", status: "True" }] }

  it.scoped("not when this client had an earlier lease with the name", () =>
    Effect.gen(function*() {
      const controller = yield* lost("c1", isEnded)
      const result = yield* inTime(
        Effect.either(controller.createLease({ name: "old", exporterName: "e1", duration: "1 minute" }))
      )
      strictEqual(
        Either.match(result, { onLeft: ({ reason }) => reason, onRight: ({ name }) => name }),
        "AlreadyExists"
      )
    }))

  it.scoped("once, when it has a random name and has ended after the answer was lost", () =>
    Effect.gen(function*() {
      const controller = yield* lost("c1", isEnded)
      const { conditions } = yield* inTime(controller.createLease({ exporterName: "e1", duration: "1 minute" }))
      deepStrictEqual(conditions.map(({ type }) => type), ["Unsatisfiable"])
    }))

  it.scoped("not when this client already has a lease with the name", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({
        createLease: () => fake.fail("UNKNOWN", "leases.jumpstarter.dev \"mine\" already exists"),
        getLease: () => Effect.succeed(fake.lease())
      })
      const { reason } = yield* Effect.flip(
        controller.createLease({ name: "mine", exporterName: "e1", duration: "1 minute" })
      )
      strictEqual(reason, "AlreadyExists")
    }))

  const refused: ReadonlyArray<
    readonly [string, (controller: ControllerClient) => Effect.Effect<unknown, unknown>, string]
  > = [
    [
      "for no time",
      (controller) => controller.createLease({ exporterName: "e1", duration: 0 }),
      "CreateLease on lab was not sent (Invalid, INVALID_ARGUMENT): the duration must be finite and greater than zero; it is 0"
    ],
    [
      "without end",
      (controller) => controller.createLease({ exporterName: "e1", duration: Duration.infinity }),
      "CreateLease on lab was not sent (Invalid, INVALID_ARGUMENT): the duration must be finite and greater than zero; it is Infinity"
    ],
    [
      "of nothing",
      (controller) => controller.createLease({ duration: "1 minute", selector: " " }),
      "CreateLease on lab was not sent (Invalid, INVALID_ARGUMENT): a lease needs a selector or the name of an exporter"
    ],
    [
      "under a path",
      (controller) => controller.createLease({ duration: "1 minute", selector: "a", name: "namespaces/lab/leases/x" }),
      "CreateLease on lab was not sent (Invalid, INVALID_ARGUMENT): \"namespaces/lab/leases/x\" is not a name: write it " +
      "without namespaces/"
    ],
    [
      "by a comparison of numbers",
      (controller) => controller.createLease({ duration: "1 minute", selector: "board>3" }),
      "CreateLease on lab was not sent (Invalid, INVALID_ARGUMENT): the selector \"board>3\" is invalid at character 6: the " +
      "controller does not support >; list the values: board in (4,5)"
    ]
  ]

  for (const [name, request, message] of refused) {
    it.scoped(`never ${name}, and nothing is sent`, () =>
      Effect.gen(function*() {
        // This controller would answer UNIMPLEMENTED to any request.
        const controller = yield* fake.client({})
        const error = yield* Effect.flip(request(controller))
        strictEqual(error instanceof ControllerError && !error.sent && error.message, message)
      }))
  }
})

describe("the duration of a lease", () => {
  const changed = (
    read: Partial<Lease>,
    change: (controller: ControllerClient) => Effect.Effect<unknown, ControllerError>
  ) =>
    Effect.gen(function*() {
      const updates: Array<Pick<Lease, "duration" | "beginTime" | "endTime">> = []
      const controller = yield* fake.client({
        getLease: () => Effect.succeed(fake.lease(read)),
        updateLease: ({ lease }) => {
          const { beginTime, duration, endTime } = lease ?? fake.lease()
          updates.push({ beginTime, duration, endTime })
          return beginTime !== undefined && updates.length < 2 && beginTime.seconds < 1_000n
            ? fake.fail("UNKNOWN", "cannot update BeginTime: lease has already started")
            : Effect.succeed(fake.lease({ duration }))
        }
      })
      return { exit: yield* Effect.either(change(controller)), updates }
    })

  const running = { effectiveBeginTime: { seconds: 5n, nanos: 0 } }

  const only = (seconds: bigint, beginTime?: Lease["beginTime"]) => ({
    beginTime,
    duration: { seconds, nanos: 0 },
    endTime: undefined
  })

  it.scoped("grows from its current value", () =>
    Effect.gen(function*() {
      const { updates } = yield* changed(running, (controller) => controller.extendLease("l1", "30 seconds"))
      deepStrictEqual(updates, [only(90n)])
    }))

  it.scoped("shrinks from its current value", () =>
    Effect.gen(function*() {
      const { updates } = yield* changed(running, (controller) => controller.shortenLease("l1", "20 seconds"))
      deepStrictEqual(updates, [only(40n)])
    }))

  it.scoped("is sent with the begin time of a scheduled lease", () =>
    Effect.gen(function*() {
      const beginTime = { seconds: 5_000n, nanos: 0 }
      const { updates } = yield* changed({ beginTime }, (controller) => controller.extendLease("l1", "30 seconds"))
      deepStrictEqual(updates, [only(90n, beginTime)])
    }))

  it.scoped("is sent alone when the lease has begun meanwhile", () =>
    Effect.gen(function*() {
      const beginTime = { seconds: 5n, nanos: 0 }
      const { updates } = yield* changed({ beginTime }, (controller) => controller.extendLease("l1", "30 seconds"))
      deepStrictEqual(updates, [only(90n, beginTime), only(90n)])
    }))

  const refused: ReadonlyArray<readonly [string, Partial<Lease>, ControllerReason]> = [
    ["that has expired", { ...running, effectiveEndTime: { seconds: 9n, nanos: 0 } }, "Ended"],
    [
      "that was released",
      { conditions: [{ type: "Ready", status: "False", lastTransitionTime: undefined }] },
      "Ended"
    ],
    [
      "that nothing satisfies",
      { conditions: [{ type: "Unsatisfiable", status: "True", lastTransitionTime: undefined }] },
      "Ended"
    ],
    ["with a fixed end", { ...running, endTime: { seconds: 99n, nanos: 0 } }, "NotExtendable"]
  ]

  for (const [name, read, reason] of refused) {
    it.scoped(`does not change for a lease ${name}`, () =>
      Effect.gen(function*() {
        const { exit, updates } = yield* changed(read, (controller) => controller.extendLease("l1", "30 seconds"))
        const error = yield* Effect.flip(exit)
        deepStrictEqual([error.reason, error.sent], [reason, false])
        deepStrictEqual(updates, [])
      }))
  }

  it.scoped("is read and sent within one bound", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({
        getLease: () => Effect.delay(Effect.succeed(fake.lease(running)), "1500 millis"),
        updateLease: () => Effect.never
      })
      const [duration, { reason }] = yield* inTime(
        Effect.timed(Effect.flip(controller.within("2 seconds").extendLease("l1", "30 seconds")))
      )
      deepStrictEqual([Duration.toSeconds(duration), reason], [2, "TimedOut"])
    }))

  it.scoped("is read once, so that a repeated update adds nothing twice", () =>
    Effect.gen(function*() {
      let seconds = 60n
      let updates = 0
      const controller = yield* fake.client({
        getLease: () => Effect.sync(() => fake.lease({ ...running, duration: { seconds, nanos: 0 } })),
        updateLease: ({ lease }) =>
          Effect.suspend(() => {
            seconds = lease?.duration?.seconds ?? 0n
            return ++updates === 1
              ? fake.fail("UNAVAILABLE", "the connection was lost")
              : Effect.succeed(fake.lease({ duration: { seconds, nanos: 0 } }))
          })
      })
      const { duration } = yield* inTime(controller.extendLease("l1", "30 seconds"))
      deepStrictEqual([duration, updates], [Option.some(Duration.seconds(90)), 2])
    }))

  it.scoped("does not shrink to zero", () =>
    Effect.gen(function*() {
      const { exit, updates } = yield* changed(running, (controller) => controller.shortenLease("l1", "60 seconds"))
      strictEqual((yield* Effect.flip(exit)).reason, "Invalid")
      deepStrictEqual(updates, [])
    }))
})

describe("a change whose answer was lost", () => {
  const unavailable = fake.fail("UNAVAILABLE", "the connection was lost")

  it.scoped("succeeds when it is a release", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({
        deleteLease: fake.after(
          1,
          unavailable,
          fake.fail("FAILED_PRECONDITION", "lease \"l1\" has already been released")
        )
      })
      yield* inTime(controller.deleteLease("l1"))
    }))

  it.scoped("succeeds when it is a transfer", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({
        updateLease: fake.after(1, unavailable, fake.fail("UNKNOWN", "UpdateLease permission denied")),
        getLease: () => Effect.succeed(fake.lease({ client: "namespaces/lab/clients/c2" }))
      })
      deepStrictEqual((yield* inTime(controller.transferLease("l1", "c2"))).client, Option.some("c2"))
    }))

  it.scoped("fails when somebody else has transferred the lease", () =>
    Effect.gen(function*() {
      const controller = yield* fake.client({
        updateLease: fake.after(1, unavailable, fake.fail("UNKNOWN", "UpdateLease permission denied")),
        getLease: () => Effect.succeed(fake.lease({ client: "namespaces/lab/clients/c3" }))
      })
      strictEqual((yield* inTime(Effect.flip(controller.transferLease("l1", "c2")))).reason, "NotYours")
    }))
})

describe("a router's address", () => {
  const dial = (routerEndpoint: string, routerToken = "router-token", insecure = false) =>
    Effect.flatMap(
      fake.client({ dial: () => Effect.succeed({ routerEndpoint, routerToken }) }, {
        config: fake.config({ tls: { insecure } })
      }),
      (controller) => controller.dial("l1")
    )

  it.scoped("has the trust of the controller's address, and its token is hidden", () =>
    Effect.gen(function*() {
      const { endpoint, token } = yield* dial("router.lab:8083")
      deepStrictEqual(endpoint, Endpoint.tls("router.lab", 8083))
      deepStrictEqual([String(token), Redacted.value(token)], ["<redacted>", "router-token"])
      deepStrictEqual((yield* dial("router.lab")).endpoint, Endpoint.tls("router.lab", 443))
    }))

  it.scoped("may be in cleartext when the configuration is insecure", () =>
    Effect.gen(function*() {
      deepStrictEqual((yield* dial("tcp://127.0.0.1:1", "t", true)).endpoint, Endpoint.tcp("127.0.0.1", 1))
    }))

  for (
    const [address, token] of [
      ["tcp://router.lab:8083", "t"],
      ["unix:/run/x.sock", "t"],
      ["/run/x.sock", "t"],
      ["https://router.lab", "t"],
      ["router.lab:99999", "t"],
      ["", "t"],
      ["router.lab:8083\u001b[31m", "t"],
      ["router.lab:8083", ""],
      ["router.lab:8083", "a b"]
    ] as const
  ) {
    it.scoped(`is refused: ${JSON.stringify(address)} with ${JSON.stringify(token)}`, () =>
      Effect.gen(function*() {
        strictEqual((yield* Effect.flip(dial(address, token))).reason, "Untrusted")
      }))
  }
})
