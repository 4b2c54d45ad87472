/**
 * A proxy on the exporter that answers for a device's servers and records its traffic: `jumpstarter_driver_mitmproxy`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import { held } from "./bracket.ts"
import * as bytes from "./family/bytes.ts"
import * as forwarding from "./forwarding.ts"
import { CapturedRequest, FlowFile, Mode, Scenario, Status } from "./mitmproxy/messages.ts"
import { mocking } from "./mitmproxy/mocks.ts"

export { CapturedRequest, FlowFile, Mode, Scenario, Status } from "./mitmproxy/messages.ts"
export { MockRule, RequestMatch, SequenceStep } from "./mitmproxy/mocks.ts"

const onePath = DriverMethod.named((path = Schema.String) => [path])
const text = DriverMethod.optional(Schema.String, { fallback: "" })
const flag = DriverMethod.optional(Schema.Boolean, { fallback: false })
const port = DriverMethod.optional(Schema.Int.pipe(Schema.between(0, 65_535)), { fallback: 0 })

/**
 * The contract. The driver answers most calls with a sentence, also when it refuses them; `session`, `mock` and the other
 * functions of this module fail then. `method` is an HTTP method. A `path` that ends with `*` means all paths with that
 * beginning.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Mitmproxy } from "@effect-jumpstarter/core/drivers"
 * import { Effect, Stream } from "effect"
 *
 * class Cloud extends Device.Tag("acme/Cloud", Mitmproxy.contract)<Cloud>() {}
 *
 * const asksForUpdates = Effect.gen(function*() {
 *   const cloud = yield* Cloud
 *   yield* Mitmproxy.session(cloud)
 *   yield* Mitmproxy.mock(cloud, "GET", "/api/update", { body: { version: "2.0" } })
 *   return yield* cloud.watch_captured_requests().pipe(
 *     Stream.filter(({ path }) => path.startsWith("/api/update")),
 *     Stream.runHead
 *   )
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_mitmproxy.client.MitmproxyClient", {
  /** Starts the proxy. Without a port it listens on that of its configuration. */
  start: DriverMethod.call({
    args: DriverMethod.named((
      mode = DriverMethod.optional(Mode, { fallback: "mock" }),
      webUi = flag,
      replayFile = text,
      listenPort = port
    ) => [mode, webUi, replayFile, listenPort]),
    result: Schema.String,
    documentation: "Starts the proxy. Without a port it listens on that of its configuration."
  }),
  /** Stops the proxy. */
  stop: DriverMethod.call({
    result: Schema.String,
    documentation: "Stops the proxy.",
    idempotent: true
  }),
  /** Stops the proxy and starts it again, by default in the same mode. */
  restart: DriverMethod.call({
    args: DriverMethod.named((
      mode = DriverMethod.optional(Schema.Union(Mode, Schema.Literal("")), { fallback: "" }),
      webUi = flag,
      replayFile = text,
      listenPort = port
    ) => [mode, webUi, replayFile, listenPort]),
    result: Schema.String,
    documentation: "Stops the proxy and starts it again, by default in the same mode.",
    idempotent: true
  }),
  /** What the proxy does now. */
  status: DriverMethod.call({
    result: Schema.parseJson(Status),
    effect: "read",
    documentation: "What the proxy does now.",
    idempotent: true
  }),
  /** Whether the proxy runs. */
  is_running: DriverMethod.call({
    result: Schema.Boolean,
    effect: "read",
    documentation: "Whether the proxy runs.",
    idempotent: true
  }),
  /** Opens a connection to the web page of the proxy. */
  connect_web: DriverMethod.stream({ documentation: "Opens a connection to the web page of the proxy." }),
  ...mocking,
  /** The recorded flow files. */
  list_flow_files: DriverMethod.call({
    result: Schema.parseJson(Schema.Array(FlowFile)),
    effect: "read",
    documentation: "The recorded flow files.",
    idempotent: true
  }),
  /** Reads a recorded flow file. */
  get_flow_file: DriverMethod.streamingCall({
    args: DriverMethod.named((name = Schema.String) => [name]),
    item: bytes.base64,
    effect: "read",
    documentation: "Reads a recorded flow file."
  }),
  /** The path of the proxy's certificate on the exporter, or a sentence if there is none yet. */
  get_ca_cert_path: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The path of the proxy's certificate on the exporter, or a sentence if there is none yet.",
    idempotent: true
  }),
  /** The proxy's certificate as PEM, which the device has to trust, or a sentence if there is none yet. */
  get_ca_cert: DriverMethod.call({
    result: Schema.String,
    effect: "read",
    documentation: "The proxy's certificate as PEM, which the device has to trust, or a sentence if there is none yet.",
    idempotent: true
  }),
  /** The requests since the proxy began, or since they were cleared. */
  get_captured_requests: DriverMethod.call({
    result: Schema.parseJson(Schema.Array(CapturedRequest)),
    effect: "read",
    documentation: "The requests since the proxy began, or since they were cleared.",
    idempotent: true
  }),
  /** Streams the requests so far, and then each new one. */
  watch_captured_requests: DriverMethod.streamingCall({
    item: Schema.parseJson(CapturedRequest),
    effect: "read",
    documentation: "Streams the requests so far, and then each new one."
  }),
  /** Forgets the captured requests. */
  clear_captured_requests: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Forgets the captured requests.",
    idempotent: true
  }),
  /** Makes mocks of the captured requests, and writes the bodies to files of the exporter. */
  export_captured_scenario: DriverMethod.call({
    args: DriverMethod.named((pathPattern = text, excludeMocked = flag) => [pathPattern, excludeMocked]),
    result: Schema.parseJson(Scenario),
    documentation: "Makes mocks of the captured requests, and writes the bodies to files of the exporter.",
    idempotent: true
  }),
  /** Removes the files of large and binary bodies. */
  clean_capture_spool: DriverMethod.call({
    result: Schema.String,
    effect: "destructive",
    documentation: "Removes the files of large and binary bodies.",
    idempotent: true
  }),
  /** Reads a file of an exported scenario. A missing file has no bytes. */
  get_captured_file: DriverMethod.streamingCall({
    args: onePath,
    item: bytes.base64,
    effect: "read",
    documentation: "Reads a file of an exported scenario. A missing file has no bytes."
  }),
  /** Writes a file that mocks can answer with. */
  upload_mock_file: DriverMethod.call({
    args: DriverMethod.named((path = Schema.String, content = bytes.base64) => [path, content]),
    result: Schema.String,
    effect: "destructive",
    documentation: "Writes a file that mocks can answer with.",
    idempotent: true
  }),
  /** Waits some seconds for a request. A request that came before counts as well. */
  wait_for_request: DriverMethod.call({
    args: DriverMethod.named((
      method = Schema.String,
      path = Schema.String,
      timeout = DriverMethod.optional(Schema.NonNegative, { fallback: 10 })
    ) => [method, path, timeout]),
    result: Schema.parseJson(Schema.Union(CapturedRequest, Schema.Struct({ error: Schema.String }))),
    effect: "read",
    documentation: "Waits some seconds for a request. A request that came before counts as well.",
    idempotent: true
  })
}, { driverType: "network" })

/**
 * The client of a proxy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * The proxy refused a request of its client. `answer` is the sentence with which it refused.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyRefused extends Schema.TaggedError<ProxyRefused>(
  "@effect-jumpstarter/core/drivers/Mitmproxy/ProxyRefused"
)("MitmproxyRefused", { request: Schema.String, answer: Schema.String }) {
  override get message(): string {
    return `the proxy did not ${this.request}: ${this.answer}`
  }
}

// The driver answers with a sentence, whether it did something or refused.
const insist = (
  request: string,
  expected: RegExp,
  call: Effect.Effect<string, DriverCallError>,
  caller: callers.Caller | undefined
): Effect.Effect<string, DriverCallError | ProxyRefused> =>
  Effect.flatMap(call, (answer) =>
    expected.test(answer)
      ? Effect.succeed(answer)
      : Effect.fail(callers.blame(new ProxyRefused({ request, answer }), { caller })))

/**
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions {
  /** What the proxy does with requests; `mock` by default. */
  readonly mode?: Mode | undefined
  /** Whether the proxy shows its traffic on a web page. `forwardWeb` leads to it. */
  readonly webUi?: boolean | undefined
  /** The flow file to answer from, in the mode `replay`. */
  readonly replayFile?: string | undefined
  /**
   * The port of the exporter that the proxy listens on; by default that of its configuration. A driver in Python gets it as a
   * floating-point number, with which version 0.9.0 does not start, also later without a port: leave it out there.
   */
  readonly port?: number | undefined
}

/**
 * Runs the proxy while the scope is open. Fails with `ProxyRefused` when it does not start, or runs already.
 *
 * @since 0.1.0
 * @category combinators
 */
export const session = (
  proxy: Pick<Client, "start" | "stop" | "status">,
  { mode, port, replayFile, webUi }: SessionOptions = {}
): Effect.Effect<Status, DriverCallError | ProxyRefused, Scope.Scope> => {
  const caller = callers.of()
  return Effect.zipRight(
    held(
      "a running proxy",
      insist("start", /^Started /, callers.on(caller, () => proxy.start(mode, webUi, replayFile, port)), caller),
      () => callers.on(caller, () => proxy.stop())
    ),
    Effect.suspend(() => callers.on(caller, () => proxy.status()))
  )
}

/**
 * What a mock answers.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockResponse {
  /** The HTTP status; 200 by default. */
  readonly status?: number | undefined
  /** The body; an empty object by default. A text is sent as it is if `contentType` is not JSON. */
  readonly body?: JsonValue | undefined
  /** `application/json` by default. */
  readonly contentType?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Answers requests while the scope is open.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mock = (
  proxy: Pick<Client, "set_mock" | "remove_mock">,
  method: string,
  path: string,
  { body = {}, contentType, headers, status = 200 }: MockResponse = {}
): Effect.Effect<void, DriverCallError | ProxyRefused, Scope.Scope> => {
  const caller = callers.of()
  return Effect.asVoid(held(
    "a mock of a proxy",
    insist(
      `mock ${method} ${path}`,
      /^Mock set: /,
      callers.on(caller, () => proxy.set_mock(method, path, status, body, contentType, headers)),
      caller
    ),
    () => callers.on(caller, () => proxy.remove_mock(method, path))
  ))
}

/**
 * The device made no such request in time.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestNotSeen extends Schema.TaggedError<RequestNotSeen>(
  "@effect-jumpstarter/core/drivers/Mitmproxy/RequestNotSeen"
)("RequestNotSeen", { method: Schema.String, path: Schema.String, timeout: Schema.DurationFromSelf }) {
  override get message(): string {
    return `the device made no request ${this.method} ${this.path} within ${Duration.format(this.timeout)}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface WaitOptions {
  /** How long the driver waits; 10 seconds by default. `Effect.timeout` only ends the call. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Waits for a request of the device and returns it. A request that came before counts as well.
 *
 * @since 0.1.0
 * @category combinators
 */
export const waitForRequest = (
  proxy: Pick<Client, "wait_for_request">,
  method: string,
  path: string,
  options: WaitOptions = {}
): Effect.Effect<CapturedRequest, DriverCallError | RequestNotSeen> => {
  const caller = callers.of()
  const timeout = Duration.decode(options.timeout ?? "10 seconds")
  return Effect.flatMap(
    callers.on(caller, () => proxy.wait_for_request(method, path, Duration.toSeconds(timeout))),
    (seen) =>
      "error" in seen
        ? Effect.fail(callers.blame(new RequestNotSeen({ method, path, timeout }), { caller }))
        : Effect.succeed(seen)
  )
}

/**
 * The certificate of the proxy as PEM, which the device has to trust so that the proxy can read what is encrypted. The
 * proxy makes it when it starts for the first time; until then this fails with `ProxyRefused`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const certificate = (
  proxy: Pick<Client, "get_ca_cert">
): Effect.Effect<string, DriverCallError | ProxyRefused> => {
  const caller = callers.of()
  return insist("show its certificate", /^-----BEGIN/, callers.on(caller, () => proxy.get_ca_cert()), caller)
}

/**
 * Forwards a local port to the web page of the proxy while the scope is open, if the session has one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forwardWeb = (
  proxy: Pick<Client, "connect_web">,
  options: forwarding.PortForwardOptions = {}
): Effect.Effect<forwarding.ForwardedPort, forwarding.ListenError, Scope.Scope> =>
  callers.on(callers.of(), () => forwarding.portForward({ connect: () => proxy.connect_web() }, options))
