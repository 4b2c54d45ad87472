// The full method paths of the RPCs of an exporter.
import { ExporterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { RouterServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/router"

/** Of a method of the exporter's service. */
export const ofExporter = ({ name }: { readonly name: string }): string =>
  `/${ExporterServiceDefinition.fullName}/${name}`

/** The one that byte streams and resources travel over. */
export const stream: string = `/${RouterServiceDefinition.fullName}/${RouterServiceDefinition.methods.stream.name}`
