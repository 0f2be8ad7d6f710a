/** Values by key as they were at every offset. */

export class PastValues<T> {
  readonly #byKey = new Map<string, { readonly offset: number; readonly value: T | undefined }[]>();

  /** From this offset on; offsets ascend. */
  set(key: string, offset: number, value: T | undefined): void {
    const steps = this.#byKey.get(key);
    if (steps === undefined) this.#byKey.set(key, [{ offset, value }]);
    else steps.push({ offset, value });
  }

  at(key: string, offset: number): T | undefined {
    const steps = this.#byKey.get(key) ?? [];
    for (let at = steps.length - 1; at >= 0; at--) {
      const step = steps[at];
      if (step !== undefined && step.offset <= offset) return step.value;
    }
    return undefined;
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }
}
