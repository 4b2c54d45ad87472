/**
 * Makes an error without a stack, which takes most of the time of making one. Only for errors whose stack would show nothing of the
 * program. With frozen intrinsics the error has its stack.
 */
export const withoutStack = <E>(make: () => E): E => {
  const before = Error.stackTraceLimit
  Reflect.set(Error, "stackTraceLimit", 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, "stackTraceLimit", before)
  }
}
