// A local HTTP server for a test, and the requests that it received.
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
}

export interface HttpServer {
  readonly origin: string
  readonly asked: ReadonlyArray<Asked>
}

/** Serves until the scope closes, and then cuts the open connections. */
export const serve = (
  answer: (request: IncomingMessage, response: ServerResponse) => void
): Effect.Effect<HttpServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ readonly close: () => void } & HttpServer>((resume) => {
      const asked: Array<Asked> = []
      const server = createServer((request, response) => {
        // In many tests the client leaves in the middle.
        request.on("error", () => {})
        response.on("error", () => {})
        asked.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers })
        answer(request, response)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : undefined
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ asked, close, origin: `http://127.0.0.1:${port}` }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
