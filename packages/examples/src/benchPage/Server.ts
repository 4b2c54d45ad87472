/** The page on HTTP: its files, and one socket for each open page. */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Socket from "@effect/platform/Socket"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Bench } from "./Bench.ts"
import * as Guard from "./Guard.ts"
import { FromPage, type ToPage } from "./Messages.ts"
import type { Asset } from "./Page.ts"
import { pieceBytes, piecesAhead } from "./pieces.ts"

export interface ServerOptions {
  readonly bench: Bench
  readonly assets: ReadonlyMap<string, Asset>
  readonly access: Guard.Access
}

const decode = Schema.decodeUnknown(Schema.parseJson(FromPage))

// The terminal and the charts write styles.
const contentSecurity =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'"

// What a page may have sent that the server has not heard yet: the pieces that it was asked for, and what is typed or pasted.
const mostWaiting = 2 * piecesAhead * pieceBytes

/** A file that is on its way: its pieces, and how many more the page may send. */
interface Upload {
  readonly pieces: Mailbox.Mailbox<Uint8Array>
  credit: number
}

const talk = ({ access, bench }: ServerOptions, socket: Socket.Socket) =>
  Effect.scoped(Effect.gen(function*() {
    const send = yield* socket.writer
    const tell = (message: ToPage) => send(JSON.stringify(message))
    const unlocked = yield* Deferred.make<void>()
    const unlock = Deferred.succeed(unlocked, undefined)
    const requests = yield* FiberSet.make()
    const frames = yield* Mailbox.make<string | Uint8Array>()
    let waiting = 0
    let upload: Upload | undefined

    const flash = (request: Extract<FromPage, { readonly type: "flash" }>) =>
      Effect.gen(function*() {
        const { path, size } = request
        const pieces = yield* Mailbox.make<Uint8Array>()
        if (size === 0) yield* pieces.end
        const begun: Upload = { pieces, credit: 0 }
        upload = begun
        const more = Effect.suspend(() => {
          begun.credit++
          return tell({ type: "more", path })
        })
        let left = size
        const file = Mailbox.toStream(pieces).pipe(
          Stream.tap(() => more),
          Stream.tap((piece) => {
            left -= piece.length
            return left > 0 ? Effect.void : pieces.end
          }),
          Stream.orDie
        )
        yield* Effect.repeatN(more, piecesAhead - 1)
        yield* FiberSet.run(requests, Effect.ensuring(bench.flash(request, file), pieces.shutdown))
      })

    const obey = (request: FromPage) => {
      if (request.type === "token") {
        return Guard.opens(access, request.token)
          ? unlock
          : Effect.delay(tell({ type: "locked", text: "this is not the token" }), "1 second")
      }
      return Effect.flatMap(Deferred.isDone(unlocked), (isUnlocked) =>
        !isUnlocked
          ? tell({ type: "locked", text: "the token is missing" })
          : request.type === "flash"
          ? upload === undefined || upload.pieces.unsafeSize()._tag === "None"
            ? flash(request)
            : tell({ type: "outcome", isGood: false, text: "this page sends a file already" })
          : request.type === "input"
          // What is typed arrives in its order.
          ? Effect.flatMap(bench.perform(request), (reply) => reply === undefined ? Effect.void : tell(reply))
          : FiberSet.run(
            requests,
            Effect.flatMap(bench.perform(request), (reply) => reply === undefined ? Effect.void : tell(reply))
          ))
    }

    const hear = (frame: string | Uint8Array) => {
      waiting -= frame.length
      return typeof frame === "string"
        ? Effect.matchEffect(decode(frame), {
          onFailure: ({ message }) => send(new Socket.CloseEvent(1008, message.slice(0, 100))),
          onSuccess: obey
        })
        : upload === undefined || frame.length > pieceBytes || upload.credit-- <= 0
        ? send(new Socket.CloseEvent(1008, "a piece of no file, one that is too long, or one too many"))
        : upload.pieces.offer(frame)
    }

    // Nothing can be sent until the socket runs.
    const writing = yield* Effect.forkScoped(
      (Option.isNone(access.token) ? unlock : tell({ type: "locked", text: "" })).pipe(
        Effect.zipRight(Deferred.await(unlocked)),
        Effect.zipRight(Stream.runForEach(bench.messages, (message) => send(JSON.stringify(message))))
      )
    )
    const reading = yield* Effect.forkScoped(Stream.runForEach(Mailbox.toStream(frames), hear))
    yield* Effect.raceFirst(
      socket.runRaw((frame) => {
        waiting += frame.length
        if (waiting > mostWaiting) return send(new Socket.CloseEvent(1009, "too much at once"))
        frames.unsafeOffer(frame)
        return undefined
      }),
      Effect.raceFirst(Fiber.join(writing), Fiber.join(reading))
    )
  }))

const serveSocket = (options: ServerOptions) =>
  Effect.gen(function*() {
    const socket = yield* HttpServerRequest.upgrade
    yield* talk(options, socket).pipe(
      // The page was closed.
      Effect.catchTag("SocketError", () => Effect.void)
    )
    return HttpServerResponse.empty()
  })

const pathOf = (url: string): string => url.replace(/[?#].*$/s, "")

const serveAsset = ({ bytes, type }: Asset) =>
  HttpServerResponse.uint8Array(bytes, { contentType: type }).pipe(
    HttpServerResponse.setHeaders({
      "content-security-policy": contentSecurity,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer"
    })
  )

/** Serves the page until the scope closes. */
export const serve = (options: ServerOptions) => {
  const router = HttpRouter.empty.pipe(
    HttpRouter.get("/socket", serveSocket(options)),
    HttpRouter.get(
      "*",
      Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) => {
        const asset = options.assets.get(pathOf(url))
        return asset === undefined ? HttpServerResponse.empty({ status: 404 }) : serveAsset(asset)
      })
    )
  )
  const guarded = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, url }) => {
    const why = Guard.refusal(
      options.access,
      { host: headers["host"], origin: headers["origin"] },
      pathOf(url) === "/socket"
    )
    return why === undefined ? router : HttpServerResponse.text(`${why}\n`, { status: 403 })
  })
  return HttpServer.serveEffect(guarded)
}
