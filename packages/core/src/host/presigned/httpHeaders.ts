// Headers of HTTP requests and answers, by their names in lower case.

export type HttpHeaders = Readonly<Record<string, string>>

/** Of a name that occurs in several cases the last counts; several values of one name are a list. */
export const make = (given: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>): HttpHeaders =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), typeof value === "string" ? value : value.join(", ")]]
    )
  )

export const filter = (headers: HttpHeaders, keeps: (name: string) => boolean): HttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => keeps(name)))
