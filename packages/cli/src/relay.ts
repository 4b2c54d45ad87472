// Serves the exporter behind a channel on a socket, for other programs. Each of their RPCs is one RPC of the channel.
import type * as GrpcChannel from "@effect-jumpstarter/core/GrpcChannel"
import { GrpcHandler, type GrpcHandlers } from "@effect-jumpstarter/core/GrpcHandler"
import * as GrpcServer from "@effect-jumpstarter/core/GrpcServer"
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { RouterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const duplex = (channel: GrpcChannel.Channel, rpc: string) =>
  GrpcHandler.Duplex({
    handle: (served) =>
      Effect.gen(function*() {
        const there = yield* channel.duplex(rpc, { metadata: served.metadata })
        const requests = served.receive.pipe(
          Effect.flatMap((messages) => Effect.mapError(Effect.forEach(messages, there.send), Option.some)),
          Effect.forever,
          Effect.catchAll(Option.match({ onNone: () => there.halfClose, onSome: Effect.fail }))
        )
        yield* Effect.forkScoped(requests)
        yield* served.sendInitialMetadata(yield* there.initialMetadata)
        yield* there.receive.pipe(
          Effect.flatMap((messages) => Effect.mapError(Effect.forEach(messages, served.send), Option.some)),
          Effect.forever,
          Effect.catchAll(Option.match({ onNone: () => Effect.void, onSome: Effect.fail }))
        )
      })
  })

const handlersOf = (channel: GrpcChannel.Channel): GrpcHandlers =>
  new Map(
    [ExporterServiceDefinition, RouterServiceDefinition].flatMap(({ fullName, methods }) =>
      Object.values(methods).map(({ name, requestStream, responseStream }): [string, GrpcHandler] => {
        const rpc = `/${fullName}/${name}`
        return [
          rpc,
          requestStream
            ? duplex(channel, rpc)
            : responseStream
            ? GrpcHandler.ServerStreaming({
              handle: (message, { metadata }) => channel.serverStreaming(rpc, message, { metadata })
            })
            : GrpcHandler.Unary({ handle: (message, { metadata }) => channel.unary(rpc, message, { metadata }) })
        ]
      })
    )
  )

/** Serves until the scope closes, and returns the path of the socket. Only this user can connect. */
export const serve = (channel: GrpcChannel.Channel) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const path = `${yield* files.makeTempDirectoryScoped({ prefix: "ej-" })}/exporter.sock`
    yield* GrpcServer.serve(handlersOf(channel), { path })
    return path
  })
