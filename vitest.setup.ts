import { addEqualityTesters, effect, flakyTest, it, layer, live, prop, scoped, scopedLive } from "@effect/vitest"

// `layer` of @effect/vitest replaces methods of the one `it` there is, which the files of a worker share.
Object.assign(it, { effect, flakyTest, layer, live, prop, scoped, scopedLive })

addEqualityTesters()
