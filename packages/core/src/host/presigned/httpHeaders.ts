// Headers of HTTP requests and answers, keyed by name in lower case.

export type HttpHeaders = Readonly<Record<string, string>>

/** If a name occurs in several cases, the last one wins; several values of one name become a list. */
export const make = (given: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>): HttpHeaders =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), typeof value === "string" ? value : value.join(", ")]]
    )
  )

export const filter = (headers: HttpHeaders, keeps: (name: string) => boolean): HttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => keeps(name)))
