// A suite of our own beside the ones that the program brings: what a proxy, a load balancer or a login page answers. Its pages
// come in one piece with their headers, as they do from real ones; those of the program's own cases are empty.

const codes: Readonly<Record<number, string>> = {
  200: "CODE_UNKNOWN",
  400: "CODE_INTERNAL",
  401: "CODE_UNAUTHENTICATED",
  403: "CODE_PERMISSION_DENIED",
  404: "CODE_UNIMPLEMENTED",
  429: "CODE_UNAVAILABLE",
  500: "CODE_UNKNOWN",
  502: "CODE_UNAVAILABLE",
  503: "CODE_UNAVAILABLE",
  504: "CODE_UNAVAILABLE"
}

const shapes = {
  unary: ["STREAM_TYPE_UNARY", "UnaryRequest"],
  "client-stream": ["STREAM_TYPE_CLIENT_STREAM", "ClientStreamRequest"],
  "server-stream": ["STREAM_TYPE_SERVER_STREAM", "ServerStreamRequest"],
  "half-duplex-bidi-stream": ["STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM", "BidiStreamRequest"]
} as const

const testCases = Object.entries(shapes).flatMap(([shape, [streamType, message]]) =>
  Object.entries(codes).map(([status, code]) => ({
    request: {
      testName: `${shape}/page-${status}`,
      streamType,
      requestMessages: [{
        "@type": `type.googleapis.com/connectrpc.conformance.v1.${message}`,
        responseDefinition: {
          rawResponse: {
            statusCode: Number(status),
            headers: [{ name: "content-type", value: ["text/html"] }],
            unary: { text: "<html><body>upstream connect error</body></html>" }
          }
        }
      }]
    },
    expectedResponse: { error: { code } }
  }))
)

export const errorPages = {
  name: "Error Pages",
  mode: "TEST_MODE_CLIENT",
  relevantProtocols: ["PROTOCOL_GRPC"],
  relevantCodecs: ["CODEC_PROTO"],
  relevantCompressions: ["COMPRESSION_IDENTITY"],
  testCases
}
