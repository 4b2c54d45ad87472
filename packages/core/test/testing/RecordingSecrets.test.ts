// The secrets that a recording must not contain, and how a program keeps its own secrets out of it.
import { Driver, DriverFailure, Exporter, ExporterConnection, GrpcChannel } from "@effect-jumpstarter/core"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import { Recording } from "@effect-jumpstarter/core/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { GrpcHandler } from "../../src/grpc/GrpcHandler.ts"
import * as Metadata from "../../src/grpc/Metadata.ts"
import { utf8 } from "../support/bytes.ts"
import * as bench from "./bench.ts"
import { file, outcome, record, replay } from "./recordings.ts"

const secret = "correct-horse-battery-staple"

/** Whether the file contains the secret, as text or in base64. */
const tells = (path: string) =>
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.readFileString(path)),
    (text) =>
      [secret, ...[0, 1, 2].map((offset) => btoa(" ".repeat(offset) + secret).slice(4, -4))].some((face) =>
        text.includes(face)
      )
  )

it.scopedLive("keeps out a passphrase, wherever it is added", () =>
  Effect.gen(function*() {
    const exporter = yield* Exporter.make(Driver.composite((yield* bench.make).drivers), { localLogs: false })
    const passphrase = Redacted.make(secret)
    const endpoint = yield* Exporter.serve(exporter, { host: "127.0.0.1", port: 0 }, { passphrase })
    const program = Effect.gen(function*() {
      const power = yield* bench.power
      yield* power.call("on")
      yield* Stream.runDrain(power.streamingCall("count", 2))
      return (yield* bench.converse("hello")).heard
    })
    const connect = (channel: GrpcChannel.Channel, passphrase?: Redacted.Redacted) =>
      Effect.scoped(Effect.flatMap(ExporterConnection.fromChannel(channel, { passphrase }), (connection) =>
        Effect.provideService(program, ExporterConnection.ExporterConnection, connection)))
    const secrets = Metadata.make({ "x-jumpstarter-passphrase": secret, authorization: `Bearer ${secret}` })
    for (
      const run of [
        // The metadata is added below the recorder, and above it.
        (path: string) =>
          Effect.flatMap(GrpcChannel.fromEndpoint(endpoint), (channel) =>
            Effect.flatMap(Recording.record(GrpcChannel.withMetadata(channel, secrets), path), (channel) =>
              connect(channel))),
        (path: string) =>
          Effect.flatMap(GrpcChannel.fromEndpoint(endpoint), (channel) =>
            Effect.flatMap(Recording.record(channel, path), (channel) =>
              connect(GrpcChannel.withMetadata(channel, secrets), passphrase)))
      ]
    ) {
      const path = yield* file
      assert.strictEqual(yield* Effect.scoped(run(path)), "hellobye")
      assert.isFalse(yield* tells(path))
      assert.strictEqual(yield* replay(path, program), "hellobye")
      // A refused passphrase: the recording has the exporter's message.
      const refused = yield* file
      const told = yield* outcome(Effect.scoped(
        Effect.flatMap(GrpcChannel.fromEndpoint(endpoint), (channel) =>
          Effect.flatMap(Recording.record(channel, refused), (channel) =>
            connect(channel, Redacted.make(`${secret}!`))))
      ))
      assert.include(String(told), "Unauthenticated")
      assert.isFalse(yield* tells(refused))
    }
  }).pipe(Effect.provide(NodeFileSystem.layer)))

it.scoped("keeps out the passwords that published drivers take by position, and return", () =>
  Effect.gen(function*() {
    const methods = {
      flash_oci: Driver.call(() => Effect.succeed("flashed")),
      flash_oci_image: Driver.call(() => Effect.succeed("flashed")),
      get_password: Driver.call(() => Effect.succeed(secret)),
      get_default_user_pass: Driver.call(() => Effect.succeed(["root", secret])),
      get_ssh_identity: Driver.call(() => Effect.succeed(secret))
    }
    const pages = {
      start: Driver.call(() => Effect.succeed(`the proxy runs at http://bench:8081/?token=${secret} | and waits`)),
      status: Driver.call(() => Effect.succeed({ web_ui_address: `http://bench:8081/?token=${secret}` }))
    }
    const exporter = yield* Exporter.make(Driver.make({ client: "c", methods: { ...methods, ...pages } }), {
      localLogs: false
    })
    const channel = yield* GrpcChannel.fromHandlers(exporter.handlers)
    const path = yield* file
    yield* Effect.scoped(Effect.gen(function*() {
      const { root } = yield* ExporterConnection.fromChannel(yield* Recording.record(channel, path))
      for (const method of Object.keys(methods)) yield* root.call(method, "oci://image", null, "user", secret)
      for (const method of Object.keys(pages)) yield* root.call(method)
    }))
    assert.isFalse(yield* tells(path))
    assert.include(yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)), "oci://image")
  }).pipe(Effect.provide(NodeFileSystem.layer)))

it.scoped("keeps out the exporter's metadata that looks like a secret", () =>
  Effect.gen(function*() {
    const path = yield* file
    const handlers = new Map([
      [
        "/jumpstarter.v1.RouterService/Stream",
        GrpcHandler.Duplex({
          handle: ({ sendInitialMetadata }) =>
            sendInitialMetadata(Metadata.make({
              "set-cookie": `session=${secret}`,
              "x-api-key": secret,
              authorization: secret,
              "x-board": "revision 3"
            }))
        })
      ]
    ])
    const channel = yield* GrpcChannel.fromHandlers(handlers)
    const open = (channel: GrpcChannel.Channel) =>
      Effect.scoped(Effect.flatMap(
        channel.duplex("/jumpstarter.v1.RouterService/Stream", {
          metadata: Metadata.make({ request: `{"kind":"driver","uuid":"","method":"connect"}` })
        }),
        ({ initialMetadata }) => initialMetadata
      ))
    yield* Effect.scoped(Effect.flatMap(Recording.record(channel, path), open))
    assert.isFalse(yield* tells(path))
    const replayed = yield* Effect.scoped(Effect.flatMap(Recording.replay(path), ({ channel }) => open(channel)))
    assert.deepStrictEqual(replayed, Metadata.make({ "x-board": "revision 3" }))
  }).pipe(Effect.provide(NodeFileSystem.layer)))

// A driver that repeats its input in every way.
const parrot = Driver.make({
  client: "test.Parrot",
  methods: {
    say: Driver.call(([options]) =>
      Effect.as(Effect.log(`says ${JSON.stringify(options)}`), [options ?? null, secret])
    ),
    refuse: Driver.call(() => DriverFailure.make("Device", `${secret} is not the password`)),
    repeat: Driver.streamingCall(([word]) => Stream.make(word ?? null, { key: secret })),
    connect: Driver.streamTransform((input) => input)
  }
})

const talk = Effect.gen(function*() {
  const client = yield* ExporterConnection.driver("parrot")
  yield* client.logStream()
  const said = yield* client.call("say", { user: "root", password: secret, nested: [{ password: 1234 }] })
  const refused = yield* outcome(client.call("refuse"))
  const items = Array.from(yield* Stream.runCollect(client.streamingCall("repeat", `--key=${secret}`)))
  const { end, read, write } = yield* client.stream("connect")
  yield* write(utf8(`login: root\npassword: ${secret}\n`))
  yield* end
  const heard = yield* Stream.runFold(Stream.decodeText(read), "", (text, piece) => text + piece)
  yield* bench.settled
  return { said, refused, items, heard }
}).pipe(Effect.scoped)

const stars = "*".repeat(secret.length)

const scrub: Recording.ScrubOptions = {
  scrub: (value, { path }) =>
    path.at(-1) === "password" ? "***" : typeof value === "string" ? value.replaceAll(secret, stars) : value,
  scrubBytes: (bytes) => utf8(new TextDecoder().decode(bytes).replaceAll(secret, stars))
}

it.scoped("keeps out secrets that the program names, in both directions", () =>
  Effect.gen(function*() {
    const path = yield* file
    const exporter = yield* Exporter.make(Driver.composite({ parrot }), { localLogs: false })
    const channel = Layer.provide(Recording.layerRecord(path, scrub), GrpcChannel.layerMemory(exporter.handlers))
    const recorded = yield* Effect.provide(talk, Layer.provide(ExporterConnection.layerChannel(), channel))
    // The program itself sees the secrets.
    assert.include(JSON.stringify(recorded.said), secret)
    assert.include(recorded.heard, secret)
    assert.isFalse(yield* tells(path))
    assert.deepStrictEqual(yield* replay(path, talk, scrub), {
      said: [{ user: "root", password: "***", nested: [{ password: "***" }] }, stars],
      refused: `call parrot.refuse failed (INTERNAL): ${stars} is not the password`,
      items: [`--key=${stars}`, { key: stars }],
      heard: `login: root\npassword: ${stars}\n`
    })
    // Otherwise the search above would find nothing by mistake.
    const open = yield* file
    yield* Effect.provide(
      talk,
      Layer.provide(
        ExporterConnection.layerChannel(),
        Layer.provide(Recording.layerRecord(open), GrpcChannel.layerMemory(exporter.handlers))
      )
    )
    assert.isTrue(yield* tells(open))
    // Without scrubbing, the program's data differs from the recording.
    assert.include(String(yield* outcome(replay(path, talk))), `arguments[0].password: recorded "***"`)
  }).pipe(Effect.provide(NodeFileSystem.layer)))

const hidden: ReadonlyArray<readonly [name: string, answer: JsonValue, argument?: JsonValue]> = [
  ["keeps out the query of a presigned URL in a result", {
    url: `https://s3/x?signature=${secret}`,
    method: "GET",
    headers: {}
  }],
  ["keeps out the headers of a presigned URL in a result", {
    url: "https://s3/x",
    method: "PUT",
    headers: { "x-amz-key": secret }
  }],
  ["keeps out a list under the name of a secret", null, { passwords: [secret] }],
  ["keeps out an object under the name of a secret", null, { credentials: { user: "root", value: secret } }],
  ["keeps out values under other names of secrets", null, {
    passwd: secret,
    private_key: secret,
    psk: secret,
    privateKey: secret
  }],
  ["keeps out a secret beside a number that JSON cannot express", { token: secret, offset: -0 }],
  ["keeps out a secret beside a key that objects cannot have", JSON.parse(`{"token":"${secret}","__proto__":1}`)]
]
for (const [name, answer, argument = null] of hidden) {
  it.scoped(name, () =>
    Effect.gen(function*() {
      const path = yield* file
      const driver = Driver.make({ client: "c", methods: { say: Driver.call(() => Effect.succeed(answer)) } })
      const exporter = yield* Exporter.make(Driver.composite({ driver }), { localLogs: false })
      const channel = Layer.provide(Recording.layerRecord(path), GrpcChannel.layerMemory(exporter.handlers))
      yield* Effect.flatMap(ExporterConnection.driver("driver"), (client) => client.call("say", argument)).pipe(
        Effect.provide(Layer.provide(ExporterConnection.layerChannel(), channel))
      )
      assert.isFalse(yield* tells(path))
    }).pipe(Effect.provide(NodeFileSystem.layer)))
}

const passwordsInUrls = [
  `https://user:${secret}@${secret}@host/x`,
  `https://user:${secret}@host@${secret}@host/x`,
  `https://user@${secret}@host`,
  `https:user:${secret}@host/x`,
  `https:/user:${secret}@host/x`,
  `https:\\\\user:${secret}@${secret}@host/x`,
  ` ht\ntps:/\t/user:${secret}@\n${secret}@host/x`,
  `//user:${secret}@${secret}@host/x`,
  // These are not valid URLs, because the password is not encoded.
  `https://user:${secret}/${secret}@host/x`,
  `https://user:pass?${secret}@host/x`,
  `https://user:pass#${secret}@host/x`,
  `https://user:${secret}/@/${secret}@host/x?y@z`,
  `https://host:port/x?y=@${secret}`,
  `user:${secret}@host/@${secret}@x`
]

it.scoped("keeps out the user information of a presigned URL, even with an @ or a slash in the password", () =>
  Effect.gen(function*() {
    const path = yield* file
    const call = (url: string) =>
      Effect.flatMap(
        bench.power,
        (power) => power.call("set", { kind: "presigned_request", method: "GET", url, headers: {} })
      )
    yield* record(path, Effect.forEach([...passwordsInUrls, "https://host/@scope/x@1"], call))
    assert.isFalse(yield* tells(path))
    assert.include(
      yield* Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.readFileString(path)),
      "https://host/@scope/x@1"
    )
  }).pipe(Effect.provide(NodeFileSystem.layer)))

it.scoped("keeps an author, which is not a secret", () =>
  Effect.gen(function*() {
    const path = yield* file
    yield* record(path, Effect.flatMap(bench.power, (power) => power.call("set", { author: secret })))
    assert.isTrue(yield* tells(path))
  }).pipe(Effect.provide(NodeFileSystem.layer)))

it.scoped("keeps out values under the name of a secret, unless the program names the secrets", () =>
  Effect.gen(function*() {
    const program = Effect.flatMap(
      bench.power,
      (power) =>
        power.call("set", {
          user: "root",
          password: secret,
          tries: 3,
          nested: [{ authToken: secret, API_KEY: secret }]
        })
    )
    const path = yield* file
    yield* record(path, program)
    assert.isFalse(yield* tells(path))
    assert.deepStrictEqual(yield* replay(path, program), [{
      user: "root",
      password: "[REDACTED]",
      tries: 3,
      nested: [{ authToken: "[REDACTED]", API_KEY: "[REDACTED]" }]
    }])
    const open = yield* file
    yield* record(open, program, {
      scrub: (value) => value
    })
    assert.isTrue(yield* tells(open))
  }).pipe(Effect.provide(NodeFileSystem.layer)))

it.scoped("keeps out the credentials of a presigned request", () =>
  Effect.gen(function*() {
    const path = yield* file
    const presigned = (signature: string) =>
      Effect.flatMap(bench.power, (power) =>
        power.call("set", {
          kind: "presigned_request",
          method: "GET",
          url: `https://user:${signature}@store.example/image.img?X-Amz-Signature=${signature}`,
          headers: { authorization: signature }
        }))
    yield* record(path, presigned(secret))
    assert.isFalse(yield* tells(path))
    // The signature differs each time.
    assert.deepStrictEqual(yield* replay(path, presigned("another")), [{
      kind: "presigned_request",
      method: "GET",
      url: "https://store.example/image.img?[REDACTED]",
      headers: { authorization: "[REDACTED]" }
    }])
  }).pipe(Effect.provide(NodeFileSystem.layer)))
