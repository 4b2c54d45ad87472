// A channel that records its traffic.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isDeepStrictEqual } from "node:util"
import * as Bytes from "../../grpc/Bytes.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import type { GrpcTransport } from "../../grpc/grpcTransport.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import type { JsonValue } from "../../protocol/ProtobufValue.ts"
import * as frame from "../../protocol/routerFrame.ts"
import * as streamRequest from "../../protocol/streamRequest.ts"
import type { Channel } from "../../transport/GrpcChannel.ts"
import * as monotonicClock from "../../util/monotonicClock.ts"
import * as pull from "../../util/pull.ts"
import { DriverNames } from "../driverNames.ts"
import * as exporterCall from "../exporterCall.ts"
import * as format from "./format.ts"
import * as messages from "./messages.ts"
import { Aliases, rewrite } from "./names.ts"
import * as scrubbing from "./scrub.ts"

export interface Options {
  readonly scrub: scrubbing.Scrub
  readonly maxBytes: number
  // Called with each line; must return quickly.
  readonly write: (line: string) => void
}

const decodeHandle = Schema.decodeUnknownOption(Schema.parseJson(streamRequest.ClientStreamHandle))

interface Run {
  readonly rpc: number
  readonly event: "sent" | "received"
  readonly digest: format.Digest
  at: number
}

// An RPC that is being recorded.
class RecordedRpc {
  private hasOpened = false
  private ended = false
  private readonly stored = { sent: 0, received: 0 }
  private inputEnded = false

  constructor(
    private readonly recording: Recording,
    private readonly number: number,
    private readonly site: scrubbing.Site
  ) {}

  private add(happening: format.Happening): Effect.Effect<void> {
    return Effect.suspend(() => this.ended ? Effect.void : this.recording.add(this.number, happening))
  }

  private last(happening: format.Happening): Effect.Effect<void> {
    return Effect.zipRight(
      this.add(happening),
      Effect.sync(() => {
        this.ended = true
      })
    )
  }

  // A program may request the metadata more than once.
  readonly opened = (metadata: Metadata.Metadata): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.hasOpened) return Effect.void
      this.hasOpened = true
      return this.add({ event: "opened", metadata: this.recording.metadata(this.site, metadata) })
    })

  // Records a message outside of byte streams.
  readonly answered = (message: Uint8Array): Effect.Effect<void> =>
    Effect.suspend(() => {
      const read = messages.toValue(this.site.kind, message)
      if (read === undefined) return this.raw(message)
      const { exact, value } = read
      if (this.site.kind === "report") this.recording.learn(message, value)
      // A message that JSON cannot express is kept raw, unless it has values to hide.
      return exact || this.recording.isScrubbed(this.site, value)
        ? this.add({ event: "received", value: this.recording.value(this.site, value) })
        : this.raw(message)
    })

  private raw(message: Uint8Array): Effect.Effect<void> {
    return this.add({
      event: "received",
      message: format.toBytes(scrubbing.bytes(this.recording.options.scrub, this.site, message))
    })
  }

  readonly framed = (event: "sent" | "received", message: Bytes.Bytes): Effect.Effect<void> =>
    Effect.suspend(() => {
      try {
        const { kind, payload } = frame.decode(message)
        if (kind === "goAway") return event === "sent" ? this.sentEnd : this.add({ event: "receivedEnd" })
        if (kind === "data") return Bytes.size(payload) === 0 ? Effect.void : this.bytes(event, Bytes.join(payload))
      } catch {
        // A malformed message is recorded raw.
      }
      return event === "sent" ? Effect.void : this.raw(Bytes.join(message))
    })

  private bytes(event: "sent" | "received", payload: Uint8Array): Effect.Effect<void> {
    const { maxBytes, scrub } = this.recording.options
    const bytes = scrubbing.bytes(scrub, this.site, payload)
    this.stored[event] += bytes.length
    return this.stored[event] <= maxBytes
      ? this.add({ event, data: format.toBytes(bytes) })
      : this.recording.addRun(this.number, event, bytes)
  }

  readonly sentEnd: Effect.Effect<void> = Effect.suspend(() => {
    if (this.inputEnded) return Effect.void
    this.inputEnded = true
    return this.add({ event: "sentEnd" })
  })

  // A unary RPC has ended with its result.
  readonly done: Effect.Effect<void> = Effect.suspend(() => {
    if (!exporterCall.isUnary(this.site.kind)) return this.last({ event: "end" })
    this.ended = true
    return Effect.void
  })

  readonly failed = ({ code, details, origin, scope }: GrpcStatus.GrpcStatusError): Effect.Effect<void> =>
    Effect.suspend(() => {
      const failure = { code, details: this.recording.text(this.site, details), origin, scope }
      return this.last({ event: "end", failure })
    })

  // Records the end of a pulled stream: `None` is a clean end.
  readonly pulled = (end: Option.Option<GrpcStatus.GrpcStatusError>): Effect.Effect<void> =>
    Option.match(end, { onNone: () => this.done, onSome: this.failed })

  readonly cancelled: Effect.Effect<void> = Effect.suspend(() => this.last({ event: "cancel" }))

  readonly over = (exit: Exit.Exit<unknown, GrpcStatus.GrpcStatusError>): Effect.Effect<void> =>
    Exit.match(exit, {
      onSuccess: () => this.done,
      onFailure: (cause) =>
        Option.match(Cause.failureOption(cause), { onNone: () => this.cancelled, onSome: this.failed })
    })
}

// The events of all RPCs, in order.
class Recording {
  private readonly aliases = new Aliases()
  private readonly driverNames = new DriverNames()
  private rpcs = 0
  private begun: number | undefined
  private latest = 0
  private run: Run | undefined

  constructor(readonly options: Options) {}

  private readonly now: Effect.Effect<number> = Effect.map(monotonicClock.currentMillis, (now) => {
    this.begun ??= now
    // A test may set its clock back.
    this.latest = Math.max(this.latest, Math.round(now - this.begun))
    return this.latest
  })

  begin(call: exporterCall.ExporterCall): Effect.Effect<RecordedRpc> {
    return Effect.suspend(() => {
      const rpc = ++this.rpcs
      const { args, contentEncoding, kind, method, uuid } = call
      const site = { kind, driver: this.driverNames.nameOf(uuid) ?? this.aliases.in(uuid), method }
      return Effect.as(
        this.add(rpc, {
          event: "begin",
          kind,
          ...(uuid === "" ? {} : { driver: site.driver }),
          ...(method === "" ? {} : { method }),
          ...(kind === "call" || kind === "streamingCall"
            ? { args: scrubbing.args(this.options.scrub, { ...site, args: args.map(this.named) }) }
            : {}),
          ...(contentEncoding === null ? {} : { contentEncoding })
        }),
        new RecordedRpc(this, rpc, site)
      )
    })
  }

  add(rpc: number, happening: format.Happening): Effect.Effect<void> {
    return Effect.map(this.now, (at) => {
      this.flush()
      this.options.write(format.encode({ rpc, at, ...happening }))
    })
  }

  // Consecutive bytes beyond maxBytes become one line with their hash.
  addRun(rpc: number, event: "sent" | "received", bytes: Uint8Array): Effect.Effect<void> {
    return Effect.map(this.now, (at) => {
      if (this.run?.rpc !== rpc || this.run.event !== event) {
        this.flush()
        this.run = { rpc, event, at, digest: new format.Digest() }
      }
      this.run.at = at
      this.run.digest.add(bytes)
    })
  }

  flush(): void {
    if (this.run === undefined) return
    const { at, digest, event, rpc } = this.run
    this.run = undefined
    this.options.write(format.encode({ rpc, at, event, data: { bytes: digest.bytes, sha256: digest.sha256 } }))
  }

  learn(message: Uint8Array, value: JsonValue): void {
    messages.nameReport(value, this.aliases)
    Option.map(exporterCall.decodeReport(message), (report) => this.driverNames.learn(report))
  }

  value(site: scrubbing.Site, value: JsonValue): JsonValue {
    return scrubbing.value(this.options.scrub, site, this.named(value))
  }

  isScrubbed(site: scrubbing.Site, value: JsonValue): boolean {
    return !isDeepStrictEqual(this.value(site, value), this.named(value))
  }

  private readonly named = (value: JsonValue): JsonValue =>
    rewrite(value, (value) => typeof value === "string" ? this.aliases.in(value) : value)

  text(site: scrubbing.Site, text: string): string {
    const scrubbed = this.value(site, text)
    return typeof scrubbed === "string" ? scrubbed : JSON.stringify(scrubbed)
  }

  metadata(site: scrubbing.Site, metadata: Metadata.Metadata): Record<string, string> {
    const handle = Option.flatMap(Metadata.get(metadata, streamRequest.resourceKey), decodeHandle)
    Option.map(handle, ({ uuid }) => this.aliases.add(uuid))
    return Object.fromEntries(
      Object.entries(scrubbing.metadata(metadata)).map(([name, text]) => [name, this.text(site, text)])
    )
  }
}

export const make = (inner: Channel, options: Options) => {
  const recording = new Recording(options)

  const refuse = (rpc: string): GrpcStatus.GrpcStatusError =>
    GrpcStatus.refused(
      { rpc, target: inner.target },
      "INVALID_ARGUMENT",
      `${rpc} cannot be recorded: only RPCs of an exporter can`
    )

  const begin = (
    rpc: string,
    call: Option.Option<exporterCall.ExporterCall>
  ): Effect.Effect<RecordedRpc, GrpcStatus.GrpcStatusError> =>
    Option.match(call, { onNone: () => refuse(rpc), onSome: (call) => recording.begin(call) })

  const unary: GrpcTransport["unary"] = (rpc, message, options) =>
    Effect.flatMap(
      begin(rpc, exporterCall.fromMessage(rpc, message)),
      (recorded) =>
        inner.unary(rpc, message, options).pipe(
          Effect.tap((answer) => recorded.answered(answer)),
          Effect.onExit((exit) => recorded.over(exit))
        )
    )

  const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message, options) =>
    Stream.unwrapScoped(Effect.gen(function*() {
      const recorded = yield* begin(rpc, exporterCall.fromMessage(rpc, message))
      const next = yield* Stream.toPull(inner.serverStreaming(rpc, message, options))
      yield* Effect.addFinalizer(() => recorded.cancelled)
      return pull.chunks(
        Effect.tapBoth(next, {
          onFailure: recorded.pulled,
          onSuccess: (answers) => Effect.forEach(answers, recorded.answered, { discard: true })
        })
      )
    }))

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const recorded = yield* begin(rpc, exporterCall.fromMetadata(rpc, options.metadata))
    const call = yield* Effect.tapError(inner.duplex(rpc, options), recorded.failed)
    yield* Effect.addFinalizer(() => recorded.cancelled)
    // A program that only writes learns about the end of the RPC from a failed write.
    const refused = (status: GrpcStatus.GrpcStatusError) =>
      status.origin === "client" ? Effect.void : recorded.failed(status)
    return {
      initialMetadata: Effect.tapBoth(call.initialMetadata, { onFailure: recorded.failed, onSuccess: recorded.opened }),
      receive: Effect.tapBoth(call.receive, {
        onFailure: recorded.pulled,
        onSuccess: (messages) =>
          Effect.forEach(messages, (message) => recorded.framed("received", message), { discard: true })
      }),
      // Recorded before sending, so that the exporter's response comes after it.
      send: (message) =>
        Effect.zipRight(recorded.framed("sent", message), Effect.tapError(call.send(message), refused)),
      halfClose: Effect.zipRight(recorded.sentEnd, call.halfClose),
      cancel: Effect.zipRight(recorded.cancelled, call.cancel),
      status: Effect.onExit(call.status, (exit) => Exit.isInterrupted(exit) ? Effect.void : recorded.over(exit))
    }
  })

  const transport: GrpcTransport = {
    target: inner.target,
    transport: inner.transport,
    connection: inner.connection,
    unary,
    serverStreaming,
    duplex
  }
  return { transport, flush: Effect.sync(() => recording.flush()) }
}
