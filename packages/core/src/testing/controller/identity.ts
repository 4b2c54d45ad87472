// Authenticates the caller of an RPC: checks the token, then the metadata, then the kind, then the object that all of them name.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { GrpcRequest } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import { invalid, plain, type Refused } from "./refusal.ts"
import type { ClientObject, ExporterObject, Registry } from "./registry.ts"
import * as times from "./times.ts"
import type { Tokens } from "./tokens.ts"

export type Kind = "Client" | "Exporter"

/** Returns the token in `authorization`. */
export const bearerToken = (request: GrpcRequest): Either.Either<string, Refused> =>
  Option.match(Metadata.get(request.metadata, "authorization"), {
    onNone: () => Either.left(GrpcStatus.make("UNAUTHENTICATED", "missing authorization header")),
    onSome: (value) =>
      /^bearer /i.test(value)
        ? Either.right(value.slice("Bearer ".length))
        : Either.left(invalid("malformed authorization header"))
  })

const required = (request: GrpcRequest, key: string): Either.Either<string, Refused> =>
  Either.fromOption(
    Metadata.get(request.metadata, key),
    () => invalid(`missing metadata: ${key}`)
  )

const words = {
  Client: { one: "client", kind: "clients" },
  Exporter: { one: "exporter", kind: "exporters" }
} as const

export class Authenticator {
  constructor(
    private readonly registry: Registry,
    private readonly tokens: Tokens,
    /** Returns the time from which the controller can read tokens. */
    private readonly warmAt: () => number
  ) {}

  /** Returns the client that calls. `namespace` is the one that its request names. */
  client(request: GrpcRequest, namespace?: string): Effect.Effect<ClientObject, Refused> {
    return this.object("Client", request, namespace, (name) => this.registry.clients.get(name))
  }

  /** Returns the exporter that calls. */
  exporter(request: GrpcRequest): Effect.Effect<ExporterObject, Refused> {
    return this.object("Exporter", request, undefined, (name) => this.registry.exporters.get(name))
  }

  /** Returns the kind that a caller claims, for RPCs of both kinds. */
  kind(request: GrpcRequest): Kind {
    return Option.getOrUndefined(Metadata.get(request.metadata, "jumpstarter-kind")) === "Exporter"
      ? "Exporter"
      : "Client"
  }

  private object<A extends { readonly name: string; readonly uid: string }>(
    kind: Kind,
    request: GrpcRequest,
    namespace: string | undefined,
    find: (name: string) => A | undefined
  ): Effect.Effect<A, Refused> {
    return Effect.flatMap(times.now, (now) =>
      Either.gen(this, function*() {
        const token = yield* bearerToken(request)
        const subject = yield* Either.mapLeft(
          this.tokens.verify(now, token, now >= this.warmAt()),
          plain
        )
        const given = yield* required(request, "jumpstarter-kind")
        const where = yield* required(request, "jumpstarter-namespace")
        const name = Option.getOrElse(Metadata.get(request.metadata, "jumpstarter-name"), () => "")
        if (given !== kind) return yield* Either.left(invalid("object kind mismatch"))
        if (name === "") {
          return yield* Either.left(invalid("resource name required for pre-existing authentication"))
        }
        const word = words[kind]
        const object = where === this.registry.namespace ? find(name) : undefined
        if (object === undefined) {
          return yield* Either.left(
            plain(`${word.one} ${where}/${name}: ${word.kind}.jumpstarter.dev ${JSON.stringify(name)} not found`)
          )
        }
        if (subject !== subjectOf(kind, where, object)) {
          return yield* Either.left(
            GrpcStatus.make("PERMISSION_DENIED", `permission denied for ${word.one} ${where}/${name}`)
          )
        }
        return namespace === undefined || namespace === where
          ? object
          : yield* Either.left(GrpcStatus.make("PERMISSION_DENIED", "namespace mismatch"))
      }))
  }
}

/** Returns the subject of the tokens of a client or an exporter. */
export const subjectOf = (
  kind: Kind,
  namespace: string,
  { name, uid }: { readonly name: string; readonly uid: string }
): string => `${words[kind].one}:${namespace}:${name}:${uid}`
