// The full method paths of RPCs.
import { ClientServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import {
  ControllerServiceDefinition,
  ExporterServiceDefinition
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { RouterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/router"

interface Named {
  readonly name: string
}

/** Returns the path of a method of a service. */
export const of = ({ fullName }: { readonly fullName: string }, { name }: Named): string => `/${fullName}/${name}`

/** Returns the path of a method of the exporter's service. */
export const ofExporter = (method: Named): string => of(ExporterServiceDefinition, method)

/** The path of the RPC that carries byte streams and resources. */
export const stream: string = of(RouterServiceDefinition, RouterServiceDefinition.methods.stream)

/** Returns the path of a method that clients call on the controller. */
export const ofClient = (method: Named): string => of(ClientServiceDefinition, method)

/** The path of the RPC that makes the controller connect a client to an exporter. */
export const dial: string = of(ControllerServiceDefinition, ControllerServiceDefinition.methods.dial)
