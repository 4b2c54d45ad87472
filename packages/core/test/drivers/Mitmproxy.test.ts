import { Mitmproxy } from "@effect-jumpstarter/core/drivers"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import { concat, text } from "../support/bytes.ts"
import { connect, recording } from "./support.ts"

const status: Mitmproxy.Status = {
  running: true,
  mode: "mock",
  pid: 42,
  proxy_address: "127.0.0.1:8080",
  web_ui_enabled: false,
  web_ui_address: null,
  mock_count: 0,
  flow_file: null
}

const captured = {
  timestamp: 1795981509.25,
  method: "GET",
  url: "http://update.example/api/update?channel=beta",
  path: "/api/update?channel=beta",
  headers: { Host: "update.example" },
  query: { channel: ["beta"] },
  body: "",
  response_status: 200,
  was_mocked: true,
  was_patched: false,
  duration_ms: 3,
  response_size: 2,
  response_body: "{}",
  response_body_file: null,
  response_content_type: "application/json",
  response_headers: {},
  response_is_binary: false
}

describe("Mitmproxy", () => {
  it.scoped("runs and mocks while its scope is open", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Mitmproxy.contract.client, {
        start: { value: "Started in 'mock' mode on 127.0.0.1:8080 (PID 42)" },
        stop: { value: "Stopped (was 'mock' mode, PID 42)" },
        status: { value: JSON.stringify(status) },
        set_mock: { value: "Mock set: GET /api → 200" },
        remove_mock: { value: "Removed mock: GET /api" }
      })
      const proxy = yield* connect(Mitmproxy.contract, driver)
      yield* Effect.scoped(Effect.gen(function*() {
        assert.deepStrictEqual(yield* Mitmproxy.session(proxy, { port: 8080 }), status)
        yield* Mitmproxy.mock(proxy, "GET", "/api", { body: { version: "2.0" }, headers: { "X-Try": "1" } })
      }))
      assert.deepStrictEqual(calls, [
        ["start", "mock", false, "", 8080],
        ["status"],
        ["set_mock", "GET", "/api", 200, "{\"version\":\"2.0\"}", "application/json", "{\"X-Try\":\"1\"}"],
        ["remove_mock", "GET", "/api"],
        ["stop"]
      ])
    }))

  it.scoped("describes sequences and rules, and sends none that the proxy would not understand", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Mitmproxy.contract.client, {
        set_mock_sequence: { value: "Sequence mock set" },
        set_mock_conditional: { value: "Conditional mock set" }
      })
      const proxy = yield* connect(Mitmproxy.contract, driver)
      yield* proxy.set_mock_sequence("GET", "/a", [{ body: { turn: 1 }, repeat: 2 }, { status: 503 }])
      yield* proxy.set_mock_conditional("POST", "/a", [{ match: { body_json: { "user.name": "me" } }, status: 201 }])
      const refused = yield* Effect.flip(proxy.set_mock_sequence("GET", "/a", [{ repeat: 0 }]))
      assert.deepInclude(refused, { _tag: "InvalidArgument", origin: "client" })
      const sent = calls.map(([method, verb, path, json]) => [method, verb, path, JSON.parse(String(json))])
      assert.deepStrictEqual(sent, [
        ["set_mock_sequence", "GET", "/a", [{ body: { turn: 1 }, repeat: 2 }, { status: 503 }]],
        ["set_mock_conditional", "POST", "/a", [{ match: { body_json: { "user.name": "me" } }, status: 201 }]]
      ])
    }))

  it.scoped("fails when the driver only says in words that it refused, and leaves alone what it did not start", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Mitmproxy.contract.client, {
        start: { value: "Already running in 'record' mode (PID 7). Stop first." },
        stop: { value: "Not running" },
        set_mock: { value: "Invalid body JSON: oops" },
        get_ca_cert: { value: "Error: CA cert not found at /x. Start proxy once to generate." },
        wait_for_request: { value: JSON.stringify({ error: "Timed out waiting for GET /x after 2s" }) }
      })
      const proxy = yield* connect(Mitmproxy.contract, driver)
      const messageOf = <E extends Error>(effect: Effect.Effect<unknown, E>) =>
        Effect.map(Effect.flip(effect), ({ message }) => message)
      assert.strictEqual(
        yield* messageOf(Effect.scoped(Mitmproxy.session(proxy))),
        "the proxy did not start: Already running in 'record' mode (PID 7). Stop first."
      )
      assert.include(
        yield* messageOf(Effect.scoped(Mitmproxy.mock(proxy, "GET", "/x"))),
        "did not mock GET /x: Invalid"
      )
      assert.include(yield* messageOf(Mitmproxy.certificate(proxy)), "did not show its certificate: Error: CA cert")
      assert.strictEqual(
        yield* messageOf(Mitmproxy.waitForRequest(proxy, "GET", "/x", { timeout: "2 seconds" })),
        "the device made no request GET /x within 2s"
      )
      assert.deepStrictEqual(calls.map(([method]) => method), ["start", "set_mock", "get_ca_cert", "wait_for_request"])
    }))

  it.scoped("streams captured requests, and the bytes of files", () =>
    Effect.gen(function*() {
      const { driver } = recording(Mitmproxy.contract.client, {
        watch_captured_requests: { items: [JSON.stringify(captured)] },
        get_flow_file: { items: ["Zmxv", "dw=="] },
        wait_for_request: { value: JSON.stringify(captured) }
      })
      const proxy = yield* connect(Mitmproxy.contract, driver)
      const seen = yield* Stream.runCollect(proxy.watch_captured_requests())
      assert.deepStrictEqual(Chunk.toReadonlyArray(seen), [captured])
      assert.strictEqual(text(concat([...yield* Stream.runCollect(proxy.get_flow_file("a.bin"))])), "flow")
      assert.deepStrictEqual(yield* Mitmproxy.waitForRequest(proxy, "GET", "/api/*"), captured)
    }))

  it.scoped("refuses what no server answers before it asks the driver", () =>
    Effect.gen(function*() {
      const { calls, driver } = recording(Mitmproxy.contract.client, {})
      const proxy = yield* connect(Mitmproxy.contract, driver)
      const error = yield* Effect.flip(Effect.scoped(Mitmproxy.mock(proxy, "GET", "/", { status: 1200 })))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.deepStrictEqual(calls, [])
    }))
})
