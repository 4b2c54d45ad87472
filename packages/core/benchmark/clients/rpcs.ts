// The works over promises, for the clients that have no driver clients: what they share beyond their transport.
import type { DriverCallRequest, DriverCallResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { type GetReportResponse } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { createHash, randomBytes } from "node:crypto"
import { createReadStream } from "node:fs"
import { check, type Client } from "./client.ts"

/** A byte stream. `outgoing` was given when it was opened, and ends its direction when it ends. */
export interface ByteStream {
  /** The resource handle of the response headers, empty when there is none; the stream is open once it is here. */
  readonly opened: Promise<string>
  /** Hands over what arrives, until the peer ends. */
  readonly receive: (onBytes: (bytes: Uint8Array) => void) => Promise<void>
  readonly cancel: () => void
}

/** A connection to an exporter. */
export interface Rpcs {
  readonly report: () => Promise<GetReportResponse>
  readonly call: (request: DriverCallRequest) => Promise<DriverCallResponse>
  readonly streamingCall: (
    request: DriverCallRequest,
    onItem: (item: DriverCallResponse) => void
  ) => Promise<void>
  readonly open: (request: string, outgoing: AsyncIterable<Uint8Array>) => ByteStream
  readonly close: () => void
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** The works over connections that `connect` makes. */
export const client = async (connect: (address: string) => Rpcs, address: string): Promise<Client> => {
  const rpcs = connect(address)
  const { reports } = await rpcs.report()
  const uuid = reports.find(({ labels }) => labels["jumpstarter.dev/name"] === "bench")?.uuid ?? ""

  const call = async (method: string, ...args: ReadonlyArray<unknown>): Promise<unknown> =>
    (await rpcs.call({ uuid, method, args: [...args] })).result

  const openStream = (method: string, outgoing: AsyncIterable<Uint8Array> = nothing()) =>
    rpcs.open(JSON.stringify({ kind: "driver", uuid, method }), outgoing)

  const openResource = (encoding: string | null, outgoing: AsyncIterable<Uint8Array> = nothing()) =>
    rpcs.open(JSON.stringify({ kind: "resource", uuid, x_jmp_content_encoding: encoding }), outgoing)

  return {
    unary: async ({ count, inFlight }) => {
      const loop = async (start: number) => {
        for (let index = start; index < count; index += inFlight) {
          const answer = await call("identity", index)
          check(answer === index, () => `${String(answer)} is not ${index}`)
        }
      }
      await Promise.all(Array.from({ length: inFlight }, (_, start) => loop(start)))
    },
    items: async ({ count }) => {
      let expected = 0
      await rpcs.streamingCall({ uuid, method: "count", args: [count] }, ({ result }) => {
        check(result === expected, () => `item ${String(result)} where ${expected} was due`)
        expected++
      })
      check(expected === count, () => `${expected} items of ${count}`)
    },
    receive: async ({ bytes, chunk }) => {
      await call("prepare", chunk, bytes)
      let size = 0
      await openStream("source").receive((bytes) => {
        size += bytes.length
      })
      check(size === bytes, () => `${size} bytes of ${bytes}`)
    },
    send: async ({ bytes, chunk }) => {
      const data = randomBytes(chunk)
      const outgoing = async function*() {
        for (let sent = 0; sent < bytes; sent += chunk) yield data
      }
      let report = ""
      await openStream("sink", outgoing()).receive((bytes) => {
        report += Buffer.from(bytes).toString()
      })
      check(Number(report) === bytes, () => `the exporter counted ${report} bytes of ${bytes}`)
    },
    upload: async ({ encoding = null, path, sha256 }) => {
      const stream = openResource(encoding, createReadStream(path))
      const received = stream.receive(() => {})
      const digest = await call("consume", JSON.parse(await stream.opened))
      stream.cancel()
      await received.catch(() => {})
      check(digest === sha256, () => "the exporter's digest is another")
    },
    download: async ({ bytes, chunk }) => {
      const hash = createHash("sha256")
      let size = 0
      const stream = openResource(null)
      const received = stream.receive((bytes) => {
        hash.update(bytes)
        size += bytes.length
      })
      const digest = await call("produce", JSON.parse(await stream.opened), chunk, bytes)
      await received
      check(size === bytes, () => `${size} bytes of ${bytes}`)
      check(digest === hash.digest("hex"), () => "the digests differ")
    },
    streams: async ({ count }) => {
      let everybody = () => {}
      const allOpen = new Promise<void>((resolve) => (everybody = resolve))
      let open = 0
      const one = async (number: number) => {
        const text = String(number)
        const stream = openStream(
          "echo",
          (async function*() {
            await allOpen
            yield Buffer.from(text)
          })()
        )
        let echo = ""
        const received = stream.receive((bytes) => {
          echo += Buffer.from(bytes).toString()
        })
        await stream.opened
        open++
        if (open === count) everybody()
        await received
        check(echo === text, () => "another echo")
      }
      await Promise.all(Array.from({ length: count }, (_, number) => one(number)))
    },
    connect: async ({ address, drivers }) => {
      const connection = connect(address)
      const { reports } = await connection.report()
      connection.close()
      // The root and the benchmark's own driver are not counted.
      check(reports.length - 2 === drivers, () => `${reports.length - 2} drivers of ${drivers}`)
    }
  }
}
