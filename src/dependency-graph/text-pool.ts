/** One string for all equal ones: names come with every event anew. Beyond the bound it starts over; that costs memory, nothing else. */
export class TextPool {
  readonly #texts = new Map<string, string>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= this.#max) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}
