// Headers as the suite lists them. A key has one value here, and binary ones are not offered.
import * as Headers from "@effect/platform/Headers"

interface Header {
  readonly name: string
  readonly value: ReadonlyArray<string>
}

export const fromList = (headers: ReadonlyArray<Header>): Headers.Headers =>
  Headers.fromInput(
    headers.filter(({ name }) => !name.toLowerCase().endsWith("-bin"))
      .map(({ name, value }) => [name, value.join(", ")] as const)
  )

export const toList = (headers: Headers.Headers) =>
  Object.entries(headers).map(([name, value]) => ({ name, value: [value] }))
