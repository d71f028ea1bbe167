/**
 * A first look at untrusted bytes: is this one MessagePack array of integers, and where does it end?
 *
 * Owns the only grammar that may reach the unpacker: an array header, then as many integers as it claims. Maps,
 * strings, extensions, nested arrays and 64-bit integers are not in it, so depth, foreign types and
 * claimed sizes need no further care. Allocates nothing; reads each byte of the array once.
 */

/** An integer beyond 32 bits travels as a float64; whether it is a whole number is checked when it is read. */
function integerBytes(token: number): number {
  if (token < 0x80 || token >= 0xe0) return 1;
  switch (token) {
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return 2;
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return 3;
    case 0xce: // uint 32
    case 0xd2: // int 32
      return 5;
    case 0xcb: // float 64
      return 9;
    default:
      return 0;
  }
}

/**
 * Offset just behind the array that `bytes` begins with; -1 when they do not begin with an array of
 * 1 to `maxCount` integers that lies wholly within them.
 */
export function scanIntegers(bytes: Uint8Array, maxCount: number): number {
  const head = bytes[0] ?? 0;
  let count: number;
  let position: number;
  if (head >= 0x90 && head < 0xa0) {
    count = head - 0x90;
    position = 1;
  } else if (head === 0xdc && bytes.length >= 3) {
    count = (bytes[1] ?? 0) * 0x100 + (bytes[2] ?? 0);
    position = 3;
  } else if (head === 0xdd && bytes.length >= 5) {
    count =
      (bytes[1] ?? 0) * 0x1000000 + (bytes[2] ?? 0) * 0x10000 + (bytes[3] ?? 0) * 0x100 + (bytes[4] ?? 0);
    position = 5;
  } else {
    return -1;
  }
  // Before anyone allocates by it: each integer takes a byte at least.
  if (count === 0 || count > maxCount || count > bytes.length - position) return -1;
  for (let index = 0; index < count; index++) {
    const token = bytes[position];
    if (token === undefined) return -1;
    const sizeBytes = integerBytes(token);
    if (sizeBytes === 0) return -1;
    position += sizeBytes;
  }
  return position <= bytes.length ? position : -1;
}
