// gRPC written by hand on node:http2: the limit of what Node can do, with no error handling to speak of.
import {
  DriverCallRequest,
  DriverCallResponse,
  GetReportResponse,
  StreamingDriverCallResponse
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { once } from "node:events"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import type { Rpcs } from "./rpcs.ts"

const window = 8 * 1024 * 1024

// The five bytes before every message: whether it is compressed, and its length.
const prefixBytes = 5

const dataTag = 1 << 3 | 2

const goAway = Buffer.from([0, 0, 0, 0, 2, 2 << 3, 7])

const message = (bytes: Uint8Array): Buffer => {
  const framed = Buffer.allocUnsafe(prefixBytes + bytes.length)
  framed[0] = 0
  framed.writeUInt32BE(bytes.length, 1)
  framed.set(bytes, prefixBytes)
  return framed
}

// The start of a message that carries a frame with a payload of this size; the payload follows.
const frameStart = (size: number): Buffer => {
  const length: Array<number> = []
  for (let rest = size;; rest >>>= 7) {
    length.push(rest > 127 ? rest & 127 | 128 : rest)
    if (rest <= 127) break
  }
  const start = Buffer.from([0, 0, 0, 0, 0, dataTag, ...length])
  start.writeUInt32BE(1 + length.length + size, 1)
  return start
}

// Undefined for a frame that is no data.
const payloadOf = (frame: Buffer): Buffer | undefined => {
  if (frame[0] !== dataTag) return undefined
  let length = 0
  let index = 1
  for (let shift = 0;; shift += 7) {
    const byte = frame[index++] ?? 0
    length |= (byte & 127) << shift
    if (byte < 128) return frame.subarray(index, index + length)
  }
}

// Cuts what arrives into messages.
const splitter = (onMessage: (message: Buffer) => void) => {
  let pieces: Array<Buffer> = []
  let have = 0
  let need = prefixBytes
  return (piece: Buffer) => {
    pieces.push(piece)
    have += piece.length
    if (have < need) return
    let rest = pieces.length === 1 ? piece : Buffer.concat(pieces)
    need = prefixBytes
    while (rest.length >= prefixBytes) {
      need = prefixBytes + rest.readUInt32BE(1)
      if (rest.length < need) break
      onMessage(rest.subarray(prefixBytes, need))
      rest = rest.subarray(need)
      need = prefixBytes
    }
    pieces = rest.length === 0 ? [] : [rest]
    have = rest.length
  }
}

const ended = (stream: Http2.ClientHttp2Stream): Promise<void> =>
  new Promise((resolve, reject) => {
    let status: unknown
    stream.on("response", (headers) => (status = headers["grpc-status"]))
    stream.on("trailers", (headers) => (status = headers["grpc-status"]))
    stream.on("error", reject)
    stream.on("close", () => status === "0" ? resolve() : reject(new Error(`the call ended with ${String(status)}`)))
  })

export const connect = (address: string): Rpcs => {
  const session = Http2.connect("http://localhost", {
    createConnection: () => Net.connect(address),
    settings: { initialWindowSize: window, maxFrameSize: 1024 * 1024, enablePush: false }
  })
  session.on("connect", () => session.setLocalWindowSize(window))

  const request = (service: string, method: string, metadata: Record<string, string> = {}) =>
    session.request({
      ":method": "POST",
      ":path": `/jumpstarter.v1.${service}/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...metadata
    })

  const exporterCall = (method: string, encoded: Uint8Array, onMessage: (message: Buffer) => void): Promise<void> => {
    const stream = request("ExporterService", method)
    stream.on("data", splitter(onMessage))
    stream.end(message(encoded))
    return ended(stream)
  }

  const unary = async <Response>(method: string, encoded: Uint8Array, decode: (bytes: Uint8Array) => Response) => {
    let answer: Response | undefined
    await exporterCall(method, encoded, (message) => (answer = decode(message)))
    if (answer === undefined) throw new Error("the call ended without an answer")
    return answer
  }

  return {
    report: () => unary("GetReport", new Uint8Array(), (bytes) => GetReportResponse.decode(bytes)),
    call: (request) =>
      unary("DriverCall", DriverCallRequest.encode(request).finish(), (bytes) => DriverCallResponse.decode(bytes)),
    streamingCall: (request, onItem) =>
      exporterCall(
        "StreamingDriverCall",
        DriverCallRequest.encode(request).finish(),
        (message) => onItem(StreamingDriverCallResponse.decode(message))
      ),
    open: (metadata, outgoing) => {
      const stream = request("RouterService", "Stream", { request: metadata })
      // A Python exporter says GOAWAY and leaves ending the call to the client.
      const cancel = () => stream.close(Http2.constants.NGHTTP2_CANCEL)
      const opened = once(stream, "response").then(([headers]) => String(headers["resource"] ?? ""))
      const write = async () => {
        let start: Buffer = Buffer.alloc(0)
        let size = -1
        for await (const bytes of outgoing) {
          if (bytes.length !== size) {
            size = bytes.length
            start = frameStart(size)
          }
          stream.cork()
          stream.write(start)
          const room = stream.write(bytes)
          stream.uncork()
          if (!room) await once(stream, "drain")
        }
        stream.end(goAway)
      }
      return {
        opened,
        receive: async (onBytes) => {
          const goneAway = new Promise<void>((resolve) =>
            stream.on(
              "data",
              splitter((message) => {
                const payload = payloadOf(message)
                if (payload === undefined) resolve()
                else onBytes(payload)
              })
            )
          )
          await Promise.all([write(), Promise.race([goneAway, ended(stream)])])
          cancel()
        },
        cancel
      }
    },
    close: () => session.close()
  }
}
