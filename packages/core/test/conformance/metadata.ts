// Metadata as the suite lists it. A key has one value here, and binary ones are not offered.
import * as Metadata from "../../src/grpc/Metadata.ts"

interface Header {
  readonly name: string
  readonly value: ReadonlyArray<string>
}

export const fromList = (headers: ReadonlyArray<Header>): Metadata.Metadata =>
  Metadata.make(
    headers.filter(({ name }) => !name.toLowerCase().endsWith("-bin"))
      .map(({ name, value }) => [name, value.join(", ")] as const)
  )

export const toList = ({ entries }: Metadata.Metadata) =>
  Array.from(entries, ([name, value]) => ({ name, value: [value] }))
