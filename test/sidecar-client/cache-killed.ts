/** What the cache holds that is killed while it writes; both processes know it. */
export const KILLED_CACHE = { mesh: 'm', node: 'n', rules: 1 } as const;
/** So much that most of the time it is in the middle of a write. */
export const NAMES: readonly string[] = Array.from({ length: 100 }, (_, index) => `svc-${index}.shop:80`);
const BODY_BYTES = 8_000;

export const generationBody = (generation: number): Uint8Array => new Uint8Array(BODY_BYTES).fill(generation % 251);
