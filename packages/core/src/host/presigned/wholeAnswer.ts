// Whether the answer to a GET is all that was requested, and its length.
import { encodings } from "./exchange.ts"
import type { HttpHeaders } from "./httpHeaders.ts"

interface AnswerHead {
  readonly status: number
  readonly headers: HttpHeaders
}

interface Part {
  readonly first: number
  readonly last: number
  readonly total: number | undefined
}

const partOf = (headers: HttpHeaders): Part | undefined => {
  const found = /^\s*bytes\s+(\d+)-(\d+)\/(\d+|\*)\s*$/i.exec(headers["content-range"] ?? "")
  if (found === null) return undefined
  const [first, last, total] = found.slice(1).map(Number)
  if (first === undefined || last === undefined || last < first) return undefined
  return { first, last, total: Number.isNaN(total) ? undefined : total }
}

// A part may end early if the content does.
const isAsked = (range: string, { first, last, total }: Part): boolean => {
  const [, from = "", to = ""] = /^\s*bytes\s*=\s*(\d*)-(\d*)\s*$/i.exec(range) ?? []
  const end = total === undefined ? undefined : total - 1
  if (from === "") {
    if (to === "") return false
    return end === undefined
      ? last - first + 1 <= Number(to)
      : last === end && first === Math.max(0, end + 1 - Number(to))
  }
  if (first !== Number(from)) return false
  if (to === "") return end === undefined || last === end
  return last === Number(to) || last < Number(to) && last === end
}

/** What a successful answer lacks. `asked` are the headers of the request. */
export const problem = (asked: HttpHeaders, { headers, status }: AnswerHead): string | undefined => {
  const range = asked["range"]
  if (status === 206) {
    const shown = `a part (206, Content-Range: ${headers["content-range"] ?? "none"})`
    if (range === undefined) return `was answered with ${shown}, but no range was requested`
    const part = partOf(headers)
    if (part === undefined || !isAsked(range, part)) {
      return `was answered with ${shown}, but the requested range is ${range}`
    }
    return undefined
  }
  if (status !== 200 && status !== 203) return `was answered with ${status}, which has no content to read`
  return range === undefined || /^\s*bytes\s*=\s*0+-\s*$/i.test(range) || asked["if-range"] !== undefined
    ? undefined
    : `was answered with the whole content (${status}), but the requested range is ${range}`
}

/** How many bytes are to come, if known. */
export const length = ({ headers, status }: AnswerHead): number | undefined => {
  // With an encoding, this is the length before decoding, and the body is decoded.
  if (encodings(headers).length > 0) return undefined
  const part = status === 206 ? partOf(headers) : undefined
  if (part !== undefined) return part.last - part.first + 1
  const length = headers["content-length"] ?? ""
  return /^\d+$/.test(length) ? Number(length) : undefined
}
