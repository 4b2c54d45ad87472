// Bytes that HTTP/2 or gRPC does not allow, from an exporter or from a proxy in between.
import { answer, responseHeaders } from "../support/rawExporter.ts"
import * as raw from "../support/rawGrpc.ts"
import { Flag, frame, header, repeat, Type, uint32 } from "../support/rawHttp2.ts"

export interface Mistake {
  readonly name: string
  /** The bytes, on the stream of a call that is under way. */
  readonly bytes: (stream: number) => Uint8Array
}

const mistake = (name: string, bytes: Mistake["bytes"]): Mistake => ({ name, bytes })

const concat = (...frames: ReadonlyArray<Uint8Array>) => Buffer.concat(frames)

const whole = Flag.endHeaders | Flag.endStream

const padded = 8

const headers = (stream: number) => frame(Type.headers, Flag.endHeaders, stream, responseHeaders)

const trailers = (stream: number, ...fields: ReadonlyArray<Uint8Array>) =>
  frame(Type.headers, whole, stream, concat(...fields))

const setting = (key: number, value: number) => concat(Uint8Array.of(0, key), uint32(value))

const goAway = (last: number, code: number, text = "") =>
  frame(Type.goAway, 0, 0, concat(uint32(last), uint32(code), Buffer.from(text)))

const long = (size: number) => [header("grpc-status", "2"), header("grpc-message", "x".repeat(size))]

export const mistakes: ReadonlyArray<Mistake> = [
  mistake(
    "headers that do not decode",
    (stream) => frame(Type.headers, Flag.endHeaders, stream, Buffer.alloc(100, 0xff))
  ),
  mistake("a failure of 70,000 bytes", (stream) => trailers(stream, responseHeaders, ...long(70_000))),
  mistake(
    "a failure of 70,000 bytes in trailers",
    (stream) => concat(headers(stream), trailers(stream, ...long(70_000)))
  ),
  mistake("a failure of a megabyte in pieces", (stream) =>
    concat(
      headers(stream),
      frame(Type.headers, Flag.endStream, stream, concat(...long(1_000_000)).subarray(0, 16_000)),
      repeat(60, frame(Type.continuation, 0, stream, Buffer.alloc(16_000, "x"))),
      frame(Type.continuation, Flag.endHeaders, stream)
    )),
  mistake(
    "three thousand headers",
    (stream) => trailers(stream, responseHeaders, repeat(3_000, (index) => header(`a${index}`, "b")))
  ),
  mistake("DATA before headers", (stream) => frame(Type.data, 0, stream, new Uint8Array(10))),
  mistake("DATA of an unknown call", (stream) => frame(Type.data, 0, stream + 100, new Uint8Array(10))),
  mistake("DATA of the connection", () => frame(Type.data, 0, 0, new Uint8Array(10))),
  mistake("DATA after the end", (stream) => concat(answer(stream), frame(Type.data, 0, stream, new Uint8Array(10)))),
  mistake(
    "DATA with more padding than bytes",
    (stream) => concat(headers(stream), frame(Type.data, padded, stream, Buffer.alloc(10, 0xff)))
  ),
  mistake(
    "a frame beyond the limit",
    (stream) => concat(headers(stream), frame(Type.data, 0, stream, new Uint8Array(2_000_000)))
  ),
  mistake(
    "headers with more padding than bytes",
    (stream) => frame(Type.headers, Flag.endHeaders | padded, stream, concat(Uint8Array.of(255), responseHeaders))
  ),
  mistake("headers of the connection", () => headers(0)),
  mistake("headers of a stream with a server's number", () => headers(2)),
  mistake("headers without a status", (stream) => trailers(stream, header("content-type", "application/grpc"))),
  mistake("headers with two statuses", (stream) => trailers(stream, header(":status", "200"), responseHeaders)),
  mistake("headers in capitals", (stream) => trailers(stream, responseHeaders, header("Loud", "x"))),
  mistake("a header with a line break", (stream) => trailers(stream, responseHeaders, header("a", "b\nc"))),
  mistake("headers of HTTP/1.1", (stream) => trailers(stream, responseHeaders, header("connection", "close"))),
  mistake(
    "headers that another frame interrupts",
    (stream) => concat(frame(Type.headers, 0, stream, responseHeaders), frame(Type.ping, 0, 0, new Uint8Array(8)))
  ),
  mistake(
    "trailers that are not the end",
    (stream) => concat(headers(stream), frame(Type.headers, Flag.endHeaders, stream, header("grpc-status", "0")))
  ),
  mistake("trailers without a status", (stream) => concat(headers(stream), trailers(stream, header("a", "b")))),
  mistake(
    "trailers with a status that is no number",
    (stream) => concat(headers(stream), trailers(stream, header("grpc-status", "fine")))
  ),
  mistake(
    "an answer without trailers",
    (stream) => concat(headers(stream), frame(Type.data, Flag.endStream, stream, raw.prefixed(new Uint8Array(3))))
  ),
  mistake("a message that is cut off", (stream) =>
    concat(
      headers(stream),
      frame(Type.data, 0, stream, raw.prefixed(new Uint8Array(3), { length: 100 })),
      trailers(stream, header("grpc-status", "0"))
    )),
  mistake("a body that is longer than its content-length", (stream) =>
    concat(
      frame(Type.headers, Flag.endHeaders, stream, concat(responseHeaders, header("content-length", "3"))),
      frame(Type.data, Flag.endStream, stream, new Uint8Array(10))
    )),
  mistake(
    "CONTINUATION without HEADERS",
    (stream) => frame(Type.continuation, Flag.endHeaders, stream, responseHeaders)
  ),
  mistake(
    "PRIORITY that depends on itself",
    (stream) =>
      concat(
        frame(Type.priority, 0, stream, concat(uint32(stream), Uint8Array.of(1))),
        trailers(stream, responseHeaders, header("grpc-status", "13"))
      )
  ),
  mistake("PRIORITY that is too short", (stream) => frame(Type.priority, 0, stream, new Uint8Array(2))),
  mistake("RST_STREAM that is too short", (stream) => frame(Type.reset, 0, stream, new Uint8Array(2))),
  mistake("RST_STREAM of an unknown call", (stream) => frame(Type.reset, 0, stream + 100, uint32(8))),
  mistake("RST_STREAM with an unknown code", (stream) => frame(Type.reset, 0, stream, uint32(4_711))),
  mistake("SETTINGS that are too short", () => frame(Type.settings, 0, 0, new Uint8Array(5))),
  mistake("SETTINGS of a call", (stream) => frame(Type.settings, 0, stream, new Uint8Array(6))),
  mistake(
    "SETTINGS that are an acknowledgement with content",
    () => frame(Type.settings, Flag.ack, 0, new Uint8Array(6))
  ),
  mistake("SETTINGS with a window beyond the limit", () => frame(Type.settings, 0, 0, setting(4, 0xffff_ffff))),
  mistake("SETTINGS with a frame size of one", () => frame(Type.settings, 0, 0, setting(5, 1))),
  mistake("SETTINGS with a push value of two", () => frame(Type.settings, 0, 0, setting(2, 2))),
  mistake("a flood of SETTINGS", () => repeat(3_000, frame(Type.settings, 0, 0))),
  mistake(
    "PUSH_PROMISE",
    (stream) => frame(Type.pushPromise, Flag.endHeaders, stream, concat(uint32(2), responseHeaders))
  ),
  mistake("PING that is too short", () => frame(Type.ping, 0, 0, new Uint8Array(5))),
  mistake("PING of a call", (stream) => frame(Type.ping, 0, stream, new Uint8Array(8))),
  mistake("a flood of PING", () => repeat(3_000, frame(Type.ping, 0, 0, new Uint8Array(8)))),
  mistake("GOAWAY that is too short", () => frame(Type.goAway, 0, 0, new Uint8Array(4))),
  mistake("GOAWAY with an error", (stream) => goAway(stream, 2)),
  mistake("GOAWAY for too many pings", (stream) => goAway(stream, 11, "too_many_pings")),
  mistake("GOAWAY with growing numbers", () => concat(goAway(1, 0), goAway(99, 0))),
  mistake("WINDOW_UPDATE of zero", () => frame(Type.windowUpdate, 0, 0, uint32(0))),
  mistake("WINDOW_UPDATE of zero for a call", (stream) => frame(Type.windowUpdate, 0, stream, uint32(0))),
  mistake("WINDOW_UPDATE beyond the limit", () => repeat(2, frame(Type.windowUpdate, 0, 0, uint32(0x7fff_ffff)))),
  mistake(
    "WINDOW_UPDATE beyond the limit for a call",
    (stream) => repeat(2, frame(Type.windowUpdate, 0, stream, uint32(0x7fff_ffff)))
  ),
  mistake("ALTSVC that does not decode", () => concat(frame(10, 0, 0, Uint8Array.of(255, 255)), goAway(0, 1))),
  mistake("an error page of HTTP/1.1", () => Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
]
