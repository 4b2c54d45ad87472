// nice-grpc as it comes, with the generated code: what a program without this library would do.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { FrameType, RouterServiceDefinition, type StreamRequest } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import { createChannel, createClient, Metadata } from "nice-grpc"
import type { Rpcs } from "./rpcs.ts"

async function* frames(outgoing: AsyncIterable<Uint8Array>): AsyncGenerator<StreamRequest> {
  for await (const bytes of outgoing) {
    yield {
      payload: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      frameType: FrameType.FRAME_TYPE_DATA
    }
  }
  yield { payload: Buffer.alloc(0), frameType: FrameType.FRAME_TYPE_GOAWAY }
}

export const connect = (address: string): Rpcs => {
  const channel = createChannel(`unix://${address}`)
  const exporter = createClient(ExporterServiceDefinition, channel)
  const router = createClient(RouterServiceDefinition, channel)
  return {
    report: () => exporter.getReport({}),
    call: (request) => exporter.driverCall(request),
    streamingCall: async (request, onItem) => {
      for await (const item of exporter.streamingDriverCall(request)) onItem(item)
    },
    open: (request, outgoing) => {
      const controller = new AbortController()
      let onOpened = (_resource: string) => {}
      let endsCall = false
      const opened = new Promise<string>((resolve) => (onOpened = resolve))
      const responses = router.stream(frames(outgoing), {
        metadata: Metadata({ request }),
        signal: controller.signal,
        onHeader: (metadata) => {
          endsCall = metadata.has("x-jumpstarter-host")
          onOpened(metadata.get("resource") ?? "")
        }
      })
      return {
        opened,
        receive: async (onBytes) => {
          for await (const { frameType, payload } of responses) {
            if (frameType === FrameType.FRAME_TYPE_DATA) onBytes(payload)
            // A Python exporter says GOAWAY and leaves ending the call to the client, which nice-grpc resets.
            else if (!endsCall) return
          }
        },
        cancel: () => controller.abort()
      }
    },
    close: () => channel.close()
  }
}
