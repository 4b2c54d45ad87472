// A host written by hand on node:http2, with no error handling to speak of: the limit of what a host on Node can do. It has
// what the works of calls and bytes use of the benchmark's driver: `bareHostProcess.ts --unix PATH`.
import {
  DriverCallRequest,
  DriverCallResponse,
  GetReportResponse,
  StreamingDriverCallResponse
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { randomUUID } from "node:crypto"
import * as Http2 from "node:http2"
import { parseArgs } from "node:util"
import { frameStart, goAway, maxFrameSize, message, payloadOf, splitter, window } from "./grpcByHand.ts"

const { values } = parseArgs({ options: { unix: { type: "string", default: "" } } })

const uuid = randomUUID()
const root = randomUUID()

const report = GetReportResponse.encode(GetReportResponse.fromPartial({
  uuid: root,
  reports: [
    { uuid: root, labels: { "jumpstarter.dev/client": "jumpstarter_driver_composite.client.CompositeClient" } },
    {
      uuid,
      parentUuid: root,
      labels: { "jumpstarter.dev/client": "jumpstarter.client.DriverClient", "jumpstarter.dev/name": "bench" }
    }
  ]
})).finish()

let source = { chunk: 0, bytes: 0 }

// It ends RPCs by itself, as ours does.
const responseHeaders = { ":status": 200, "content-type": "application/grpc", "x-jumpstarter-host": "bare" }

const respond = (stream: Http2.ServerHttp2Stream): void => {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
  stream.respond(responseHeaders, { waitForTrailers: true })
}

const answer = (stream: Http2.ServerHttp2Stream, handle: (request: Buffer) => Buffer): void => {
  stream.on(
    "data",
    splitter((request) => {
      respond(stream)
      stream.end(handle(request))
    })
  )
}

const call = (request: Buffer): Buffer => {
  const { args, method } = DriverCallRequest.decode(request)
  const [first, second] = args
  if (method === "prepare") source = { chunk: Number(first), bytes: Number(second) }
  return message(DriverCallResponse.encode({ uuid, result: first }).finish())
}

const streamingCall = (request: Buffer): Buffer => {
  const [count] = DriverCallRequest.decode(request).args
  return Buffer.concat(
    Array.from(
      { length: Number(count) },
      (_, result) => message(StreamingDriverCallResponse.encode({ uuid, result }).finish())
    )
  )
}

const send = (stream: Http2.ServerHttp2Stream, payload: Buffer): boolean => {
  stream.cork()
  stream.write(frameStart(payload.length))
  const room = stream.write(payload)
  stream.uncork()
  return room
}

const sendAll = (stream: Http2.ServerHttp2Stream): void => {
  const payload = Buffer.alloc(source.chunk)
  let left = source.bytes
  const go = (): void => {
    while (left > 0) {
      left -= payload.length
      if (!send(stream, payload)) {
        stream.once("drain", go)
        return
      }
    }
    stream.end(goAway)
  }
  go()
  stream.resume()
}

const count = (stream: Http2.ServerHttp2Stream): void => {
  let size = 0
  stream.on(
    "data",
    splitter((frame) => {
      const payload = payloadOf(frame)
      if (payload === undefined) {
        send(stream, Buffer.from(String(size)))
        stream.end(goAway)
      } else {
        size += payload.length
      }
    })
  )
}

const server = Http2.createServer({ settings: { initialWindowSize: window, maxFrameSize } })
server.on("session", (session) => session.setLocalWindowSize(window))
server.on("stream", (stream, headers) => {
  switch (String(headers[":path"]).split("/").at(-1)) {
    case "GetReport":
      return answer(stream, () => message(report))
    case "DriverCall":
      return answer(stream, call)
    case "StreamingDriverCall":
      return answer(stream, streamingCall)
    case "Stream":
      respond(stream)
      return JSON.parse(String(headers["request"])).method === "source" ? sendAll(stream) : count(stream)
    default:
      // Python's client tries more RPCs, and does without them.
      stream.respond({ ...responseHeaders, "grpc-status": "12" }, { endStream: true })
  }
})
server.listen(values.unix, () => process.stdout.write(`${JSON.stringify({ pid: process.pid })}\n`))

process.stdin.resume().once("close", () => process.exit())
