// Parses a recording for its replay: one record per RPC, with the place of each event among all events.
import * as Either from "effect/Either"
import * as Bytes from "../../grpc/Bytes.ts"
import type { GrpcCode, StatusOrigin, StatusScope } from "../../grpc/GrpcStatus.ts"
import { isJsonValue, type JsonValue } from "../../protocol/ProtobufValue.ts"
import * as frame from "../../protocol/routerFrame.ts"
import { DriverNames } from "../driverNames.ts"
import * as exporterCall from "../exporterCall.ts"
import type { Described } from "./difference.ts"
import * as format from "./format.ts"
import * as messages from "./messages.ts"

// The place of an event: its line, its index among all events, and the milliseconds since the first event.
export interface Place {
  readonly line: number
  readonly index: number
  readonly at: number
}

export interface Failure {
  readonly code: GrpcCode
  readonly details: string
  readonly origin: StatusOrigin
  readonly scope: StatusScope
}

// Older recordings have no scope. A failure of the transport was most likely a failure of the connection.
const scopeOf = ({ origin, scope }: format.Failure): StatusScope =>
  scope ?? (origin === "transport" ? "connection" : "rpc")

// Bytes that the program sent: their content, or its hash.
interface Input extends Place {
  readonly bytes: number
  readonly content?: Uint8Array
  readonly sha256?: string
}

// A message from the exporter; undefined when there were too many bytes to keep.
export interface Output extends Place {
  readonly message: Uint8Array | undefined
}

export interface ReplayRpc extends Described, Place {
  opened: (Place & { readonly metadata: Readonly<Record<string, string>> }) | undefined
  readonly inputs: Array<Input>
  inputEnd: Place | undefined
  readonly outputs: Array<Output>
  // How the exporter ended the RPC; undefined when the program ended it.
  end: (Place & { readonly failure: Failure | undefined }) | undefined
  // Where the program ended the RPC.
  cancel: Place | undefined
}

const argsOf = (args: ReadonlyArray<unknown> = []): ReadonlyArray<JsonValue> | undefined =>
  args.every((arg): arg is JsonValue => isJsonValue(arg)) ? args : undefined

class Reader {
  readonly rpcs = new Map<number, ReplayRpc>()
  readonly driverNames = new DriverNames()

  private begin(place: Place, event: format.Begin): Either.Either<void, string> {
    if (this.rpcs.has(event.rpc)) return Either.left(`RPC ${event.rpc} has already begun`)
    const args = argsOf(event.args)
    if (args === undefined) return Either.left("args: these values cannot be sent in a call")
    this.rpcs.set(event.rpc, {
      ...place,
      kind: event.kind,
      driver: event.driver ?? "",
      method: event.method ?? "",
      args,
      contentEncoding: event.contentEncoding ?? null,
      opened: undefined,
      inputs: [],
      inputEnd: undefined,
      outputs: [],
      end: undefined,
      cancel: undefined
    })
    return Either.void
  }

  private received(rpc: ReplayRpc, event: Extract<format.Event, { event: "received" }>): Either.Either<
    Uint8Array | undefined,
    string
  > {
    if (event.data !== undefined) {
      return Either.map(
        Either.mapLeft(format.fromBytes(event.data), (details) => `data: ${details}`),
        (data) => "content" in data ? Bytes.join(frame.encodeData(data.content)) : undefined
      )
    }
    if (event.message !== undefined) {
      return Either.map(
        Either.mapLeft(format.fromBytes(event.message), (details) => `message: ${details}`),
        (data) => "content" in data ? data.content : undefined
      )
    }
    const message = messages.fromValue(rpc.kind, event.value)
    if (Either.isRight(message) && rpc.kind === "report") {
      const report = exporterCall.decodeReport(message.right)
      if (report._tag === "Some") this.driverNames.learn(report.value)
    }
    return Either.mapLeft(message, (details) => `value: ${details}`)
  }

  read(place: Place, event: format.Event): Either.Either<void, string> {
    if (event.event === "begin") return this.begin(place, event)
    const rpc = this.rpcs.get(event.rpc)
    if (rpc === undefined) return Either.left(`RPC ${event.rpc} has not begun`)
    if (rpc.end !== undefined) return Either.left(`RPC ${event.rpc} has already ended`)
    switch (event.event) {
      case "opened":
        rpc.opened = { ...place, metadata: event.metadata }
        return Either.void
      case "sent":
        return Either.map(Either.mapLeft(format.fromBytes(event.data), (details) => `data: ${details}`), (data) => {
          rpc.inputs.push({ ...place, ...data })
        })
      case "sentEnd":
        rpc.inputEnd = place
        return Either.void
      case "received":
        return Either.map(this.received(rpc, event), (message) => {
          rpc.outputs.push({ ...place, message })
          if (exporterCall.isUnary(rpc.kind)) rpc.end = { ...place, failure: undefined }
        })
      case "receivedEnd":
        rpc.outputs.push({ ...place, message: frame.goAway })
        return Either.void
      case "end":
        rpc.end = { ...place, failure: event.failure && { ...event.failure, scope: scopeOf(event.failure) } }
        return Either.void
      case "cancel":
        rpc.cancel = place
        return Either.void
    }
  }
}

export interface ReplayRecording {
  readonly address: string | undefined
  readonly rpcs: ReadonlyArray<ReplayRpc>
  readonly driverNames: DriverNames
}

export const parse = (text: string): Either.Either<ReplayRecording, format.LineError> =>
  Either.flatMap(format.decode(text), ({ address, lines }) => {
    const reader = new Reader()
    for (const [index, { event, number }] of lines.entries()) {
      const read = reader.read({ line: number, index, at: event.at }, event)
      if (Either.isLeft(read)) return Either.left(new format.LineError(number, "Malformed", read.left))
    }
    return Either.right({ address, rpcs: [...reader.rpcs.values()], driverNames: reader.driverNames })
  })
