import { ClientConfig, Controller } from "@effect-jumpstarter/core"
import type { FileSystem, HttpClient, Path } from "@effect/platform"
import { Config, type Effect, type Layer, Redacted, type Scope, type Stream } from "effect"
import { describe, expect, it } from "tstyche"

declare const config: ClientConfig.ClientConfig
declare const controller: Controller.ControllerClient

describe("Controller", () => {
  it("requires an HTTP client, and files only to read a configuration", () => {
    expect(Controller.layer(config)).type.toBe<
      Layer.Layer<Controller.Controller, Controller.ControllerError, HttpClient.HttpClient>
    >()
    expect(Controller.layerFile()).type.toBe<
      Layer.Layer<
        Controller.Controller,
        Controller.ControllerError | ClientConfig.ClientConfigError,
        FileSystem.FileSystem | HttpClient.HttpClient | Path.Path
      >
    >()
    expect(Controller.make(config)).type.toBe<
      Effect.Effect<Controller.ControllerClient, Controller.ControllerError, HttpClient.HttpClient | Scope.Scope>
    >()
  })

  it("fails with one error", () => {
    expect(controller.lease("l1")).type.toBe<Effect.Effect<Controller.LeaseInfo, Controller.ControllerError>>()
    expect(controller.exporters()).type.toBe<Stream.Stream<Controller.ExporterInfo, Controller.ControllerError>>()
  })

  it("accepts redacted tokens, and one file", () => {
    const values = { namespace: "lab", name: "c1", endpoint: "lab:1" }
    expect(ClientConfig.make).type.toBeCallableWith({ ...values, token: Redacted.make("t") })
    expect(ClientConfig.make).type.not.toBeCallableWith({ ...values, token: "t" })
    expect(Controller.layerFile).type.toBeCallableWith({ alias: "bench" })
    expect(Controller.layerFile).type.not.toBeCallableWith({ alias: "bench", path: "/x.yaml" })
    expect(Controller.layerConfig).type.toBeCallableWith({
      namespace: Config.succeed("lab"),
      name: Config.string("NAME"),
      endpoint: Config.string("ENDPOINT"),
      token: Config.redacted("TOKEN")
    })
  })
})
