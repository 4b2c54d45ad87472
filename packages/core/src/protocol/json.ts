// The type of arguments and results.

/**
 * A JSON value, the type of every argument and result. Results are plain objects and arrays; a key such as `__proto__` is data.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | ReadonlyArray<JsonValue>
  | { readonly [key: string]: JsonValue }
