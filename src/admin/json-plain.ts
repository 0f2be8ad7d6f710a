/** Resolved documents hold Maps; JSON does not. */

/** Maps become objects, sets become lists; everything else as `JSON.stringify` takes it. */
export const plainJson = (_key: string, value: unknown): unknown => {
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  return value;
};
