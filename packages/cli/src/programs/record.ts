// Runs a program with an exporter, and records what they say; or with the recording in place of the exporter.
import * as GrpcChannel from "@effect-jumpstarter/core/GrpcChannel"
import * as Recording from "@effect-jumpstarter/core/testing/Recording"
import * as Effect from "effect/Effect"
import { usage } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as programCommand from "../programCommand.ts"
import * as relay from "../relay.ts"
import * as target from "../target.ts"

const commandOf = (what: string, command: ReadonlyArray<string>) =>
  command.length === 0
    ? usage(`say which program to ${what}, after --: effect-jumpstarter ${what} board.jsonl -- npx vitest run`)
    : Effect.void

const runOn = (
  channel: GrpcChannel.Channel,
  command: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
) =>
  Effect.flatMap(
    relay.serve(channel),
    (socket) => programCommand.run(command, { ...environment, JUMPSTARTER_HOST: socket })
  )

export interface RecordArguments {
  readonly target: Target
  readonly file: string
  readonly command: ReadonlyArray<string>
}

export const record = ({ command, file, target: place }: RecordArguments) =>
  Effect.gen(function*() {
    yield* commandOf("record", command)
    const { endpoint, environment } = yield* target.endpoint(place)
    const channel = yield* Recording.record(yield* GrpcChannel.fromEndpoint(endpoint), file)
    yield* runOn(channel, command, environment)
    yield* output.note(
      `recorded ${file}; read it before you share it, because it has what the program and the exporter said`
    )
  }).pipe(Effect.scoped)

export interface ReplayArguments {
  readonly file: string
  readonly command: ReadonlyArray<string>
}

export const replay = ({ command, file }: ReplayArguments) =>
  Effect.gen(function*() {
    yield* commandOf("replay", command)
    const { channel } = yield* Recording.replay(file)
    // No lease of the surroundings is meant.
    yield* runOn(channel, command, { JMP_EXPORTER: "", JMP_LEASE: "", JMP_GRPC_PASSPHRASE: "" })
  }).pipe(Effect.scoped)
