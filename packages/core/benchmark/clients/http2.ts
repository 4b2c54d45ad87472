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
import { frameStart, goAway, maxFrameSize, message, payloadOf, splitter, window } from "../grpcByHand.ts"
import type { Rpcs } from "./rpcs.ts"

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
    settings: { initialWindowSize: window, maxFrameSize, enablePush: false }
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
      const cancel = () => stream.close(Http2.constants.NGHTTP2_CANCEL)
      const response = once(stream, "response")
      const opened = response.then(([headers]) => String(headers["resource"] ?? ""))
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
          const end = ended(stream)
          await Promise.all([write(), Promise.race([goneAway, end])])
          // A Python exporter says GOAWAY and leaves ending the call to the client.
          const [headers] = await response
          if (headers["x-jumpstarter-host"] === undefined) cancel()
          else await end
        },
        cancel
      }
    },
    close: () => session.close()
  }
}
