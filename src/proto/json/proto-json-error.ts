/** What is wrong with a message in JSON or on the wire; thrown inside this folder, a value outside of it. */
export class ProtoJsonError extends Error {
  override readonly name = 'ProtoJsonError';
  /** As in docs/errors.md: E101 unknown field, E102 bad value, E103 something missing, E106 too deep. */
  readonly code: string;
  readonly path: readonly (string | number)[];
  /** What the author can do about it. */
  readonly hint: string | undefined;

  constructor(code: string, path: readonly (string | number)[], message: string, hint?: string) {
    super(message);
    this.code = code;
    this.path = path;
    this.hint = hint;
  }
}

/** A value as an error shows it. */
export const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
};
