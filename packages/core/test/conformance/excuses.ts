// What the conformance suite may complain about: complaint by complaint, since a list of cases would hide whatever else goes
// wrong in them.
import type { Complaint } from "./suite.ts"

export interface Excuse {
  readonly why: string
  readonly complaint: RegExp
  /** The names of the cases that it is for. */
  readonly tests: RegExp
}

const anywhere = /^/

const details: Excuse = {
  why: "a status has no details beside its text",
  complaint: /^actual error contain 0 details; expecting 1$/,
  tests: anywhere
}

const trailers: Excuse = {
  why: "an RPC has no metadata at its end",
  complaint: /^actual response trailers missing "x-custom-trailer"$/,
  tests: anywhere
}

const headers: Excuse = {
  why: "only duplex RPCs have metadata before their messages",
  complaint: /^actual response headers missing "x-custom-header"$/,
  tests: /\/(unary|server-stream)(\/|$)|^gRPC Trailers\//
}

const deadlines: Excuse = {
  why: "a caller that gives up cancels; it sends no deadline",
  complaint: /^server did not echo back a timeout but one was expected \(\d+ ms\)$/,
  tests: /^Deadline Propagation\//
}

const repeated: Excuse = {
  why: "of a key that a caller sends twice the last value counts, as in Jumpstarter's Python exporters",
  complaint:
    /^request headers has incorrect values for "x-conformance-test": expected \["Value1", "Value2"\], got \["Value2"\]$/,
  tests: anywhere
}

// docs/grpc.md has these as well.
const truncated: Excuse = {
  why: "grpc-js ignores a last message that was cut off, and takes the OK behind it",
  complaint: /^expecting an error but received none$/,
  tests: /^gRPC Unexpected Responses\/.*\/server-stream\/incomplete-message(-prefix)?$/
}

const client = [details, trailers, headers, deadlines]

/** For each side that is driven, what this library does not offer, and what grpc-js does otherwise. */
export const excuses = {
  http2: client,
  "grpc-js": [...client, truncated],
  memory: client,
  server: [details, trailers, headers, repeated]
} satisfies Record<string, ReadonlyArray<Excuse>>

const covers = (excuse: Excuse) => ({ complaint, test }: Complaint): boolean =>
  excuse.complaint.test(complaint) && excuse.tests.test(test)

/** The complaints that no excuse covers, and the excuses that nothing needs any more. */
export const judge = (complaints: ReadonlyArray<Complaint>, excuses: ReadonlyArray<Excuse>) => ({
  wrong: complaints.filter((complaint) => !excuses.some((excuse) => covers(excuse)(complaint))),
  idle: excuses.filter((excuse) => !complaints.some(covers(excuse))).map(({ why }) => why)
})
