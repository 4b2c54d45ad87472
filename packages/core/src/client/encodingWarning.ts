// Warns about bytes that are sent unchanged although they look encoded: the transfer succeeds, but a board does not boot
// from an image that is still compressed.
import * as Effect from "effect/Effect"
import { isPresigned } from "../protocol/streamRequest.ts"
import * as encodingSigns from "../resource/encodingSigns.ts"
import { presignedAsIs } from "../resource/presignedAsIs.ts"
import type * as Resource from "../resource/Resource.ts"

interface Watch {
  // Looks at the next bytes. Only the first ones matter.
  readonly look: (bytes: Uint8Array) => Effect.Effect<void>
  readonly end: Effect.Effect<void>
}

const silent: Watch = { look: () => Effect.void, end: Effect.void }

// Judges the first bytes when there are enough of them, or the content has ended. Empty content gives no warning.
const watchHead = (judge: (head: Uint8Array) => string | undefined): Watch => {
  let head: Uint8Array | undefined = new Uint8Array(0)
  const say = (bytes: Uint8Array): Effect.Effect<void> => {
    head = undefined
    const warning = bytes.length === 0 ? undefined : judge(bytes)
    return warning === undefined ? Effect.void : Effect.logWarning(warning)
  }
  return {
    look: (bytes) => {
      if (head === undefined) return Effect.void
      const more = bytes.subarray(0, encodingSigns.headBytes - head.length)
      const whole = new Uint8Array(head.length + more.length)
      whole.set(head)
      whole.set(more, head.length)
      if (whole.length === encodingSigns.headBytes) return say(whole)
      head = whole
      return Effect.void
    },
    end: Effect.suspend(() => head === undefined ? Effect.void : say(head))
  }
}

const asIs = "contentEncoding: \"identity\""

const nameOf = ({ name }: Pick<Resource.Source<unknown, unknown, unknown>, "name">): string =>
  name === undefined ? "a source" : JSON.stringify(name)

export const ofSource = <A, E, R>(source: Resource.Source<A, E, R>, driver: string): Watch => {
  if (source.asIs === true || source.contentEncoding._tag === "Some") return silent
  const named = source.name === undefined ? undefined : encodingSigns.ofName(source.name)
  return watchHead((head) => {
    const found = encodingSigns.ofHead(head)
    if (found !== undefined) {
      const signs = found === named ? "its name and its first bytes say" : "its first bytes say"
      return `${nameOf(source)} is sent to ${driver} as it is, still compressed: ${signs} ${found}. ` +
        `contentEncoding: "${found}" decodes it, ${asIs} keeps it compressed`
    }
    return named === undefined
      ? undefined
      : `${nameOf(source)} is sent to ${driver} as it is: its name says ${named}, but its first bytes do not. ` +
        `Is it the right file? ${asIs} confirms it`
  })
}

export const ofTarget = <A, E, R>(target: Resource.Sink<A, E, R>, driver: string): Watch => {
  const named = target.name === undefined ? undefined : encodingSigns.ofName(target.name)
  if (target.asIs === true || target.contentEncoding._tag === "Some" || named === undefined) return silent
  return watchHead((head) =>
    encodingSigns.ofHead(head) === named
      ? undefined
      : `${JSON.stringify(target.name)} gets what ${driver} writes as it is: its name says ${named}, but the first ` +
        `bytes do not. contentEncoding: "${named}" encodes it, ${asIs} keeps it as it is`
  )
}

// An exporter neither decodes nor encodes what a presigned request carries. The query of a URL holds its signature, so it
// is left out.
const ofPresigned = (request: Resource.PresignedRequest, driver: string): Effect.Effect<void> => {
  if (presignedAsIs.has(request) || !URL.canParse(request.url)) return Effect.void
  const { origin, pathname } = new URL(request.url)
  const named = encodingSigns.ofName(pathname)
  if (named === undefined) return Effect.void
  const location = `${origin}${pathname}`
  const meant = `Resource.presigned(url, { ${asIs} }) confirms that this is intended`
  return Effect.logWarning(
    request.method === "GET"
      ? `${driver} gets ${location} as it is, still compressed if it is ${named} as its name says: an exporter ` +
        "does not decode what it fetches. To decode it, send it from here as a source with " +
        `contentEncoding: "${named}"; ${meant}`
      : `${location} gets what ${driver} writes as it is, although its name says ${named}: an exporter does not encode ` +
        `what it puts. To encode it, receive it here in a sink with contentEncoding: "${named}"; ${meant}`
  )
}

// Returns the warnings about the presigned requests among the arguments of a call, or undefined when there are none.
export const ofArguments = (
  args: ReadonlyArray<Resource.Argument>,
  driver: string
): Effect.Effect<void> | undefined => {
  const requests = args.filter(isPresigned)
  return requests.length === 0
    ? undefined
    : Effect.forEach(requests, (request) => ofPresigned(request, driver), { discard: true })
}
