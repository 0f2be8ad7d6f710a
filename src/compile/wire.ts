/** Protobuf varints by hand, for messages put together from bytes. Values: whole, 0..2^32-1. */

export const varintLength = (value: number): number => {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
};

/** Writes at `at`; gives the place after it. */
export const writeVarint = (buffer: Buffer, at: number, value: number): number => {
  let next = at;
  let rest = value;
  while (rest >= 0x80) {
    buffer[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[next++] = rest;
  return next;
};
