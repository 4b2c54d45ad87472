// How a channel becomes a connection. ExporterConnection offers it to programs, and leases use it with what only they know.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { CallSite } from "../protocol/callSite.ts"
import * as passphrases from "../protocol/passphrase.ts"
import type { Channel } from "../transport/GrpcChannel.ts"
import * as clockWarning from "../util/clockWarning.ts"

import type { ConnectError, Connection } from "./connection.ts"
import * as handshake from "./handshake.ts"
import * as session from "./session.ts"

export type Called = Pick<CallSite, "caller">

export const connect = (
  channel: Effect.Effect<Channel, GrpcStatusError, Scope.Scope>,
  address: string,
  options: session.Options,
  called: Called
): Effect.Effect<session.Session, ConnectError, Scope.Scope> =>
  handshake.explained(address, passphrases.present(channel, address, options.passphrase)).pipe(
    Effect.flatMap((channel) => session.make(channel, options)),
    Effect.mapError((error) => callers.blame(error, called))
  )

export const through = (
  channel: Channel,
  options: session.Options,
  called: Called
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.zipRight(
    channel.connection === undefined ? Effect.void : clockWarning.warn(channel.target),
    Effect.map(connect(Effect.succeed(channel), channel.target, options, called), ({ connection }) => connection)
  )
