// The presigned requests whose bytes are compressed on purpose. A request is plain data that is sent unchanged, so it has
// no place for what concerns only this side.
export const presignedAsIs = new WeakSet<object>()
