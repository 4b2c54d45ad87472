// Integers of protocols that have a fixed number of bits.
import * as Schema from "effect/Schema"

export const eight = Schema.Int.pipe(Schema.between(0, 0xff))

export const sixteen = Schema.Int.pipe(Schema.between(0, 0xffff))

export const thirtyTwo = Schema.Int.pipe(Schema.between(0, 0xffffffff))
