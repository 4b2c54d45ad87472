// The full method paths of RPCs.
import { ClientServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import {
  ControllerServiceDefinition,
  ExporterServiceDefinition
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { RouterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/router"

/** Returns the path of a method of the exporter's service. */
export const ofExporter = ({ name }: { readonly name: string }): string =>
  `/${ExporterServiceDefinition.fullName}/${name}`

/** The path of the RPC that carries byte streams and resources. */
export const stream: string = `/${RouterServiceDefinition.fullName}/${RouterServiceDefinition.methods.stream.name}`

/** Returns the path of a method that clients call on the controller. */
export const ofClient = ({ name }: { readonly name: string }): string => `/${ClientServiceDefinition.fullName}/${name}`

/** The path of the RPC that makes the controller connect a client to an exporter. */
export const dial: string = `/${ControllerServiceDefinition.fullName}/${ControllerServiceDefinition.methods.dial.name}`
