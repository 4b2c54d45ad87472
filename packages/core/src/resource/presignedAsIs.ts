// The presigned requests whose bytes are meant as they are. A request is plain data that travels as it is, and has no place
// for what concerns this side only.
export const presignedAsIs = new WeakSet<object>()
