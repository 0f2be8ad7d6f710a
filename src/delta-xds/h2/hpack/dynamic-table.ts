/** The fields that the other end has put into the table of this connection. Source: RFC 7541, sections 2.3.2 and 4. */
import type { HeaderField } from './static-table.ts';

/** What a field counts beyond its name and value. Source: RFC 7541, section 4.1. */
export const FIELD_OVERHEAD = 32;

/** Bytes that a field counts, in the table and against SETTINGS_MAX_HEADER_LIST_SIZE. */
export const fieldBytes = ([name, value]: HeaderField): number => name.length + value.length + FIELD_OVERHEAD;

export class DynamicTable {
  /** The oldest first. */
  readonly #fields: HeaderField[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** `index` 0: the newest. */
  at(index: number): HeaderField | undefined {
    return this.#fields[this.#fields.length - 1 - index];
  }

  /** Fields leave, the oldest first, until `bytes` is not exceeded. */
  evict(bytes: number): void {
    while (this.#bytes > bytes) {
      const oldest = this.#fields.shift();
      if (oldest === undefined) return;
      this.#bytes -= fieldBytes(oldest);
    }
  }

  /** Others leave for it if need be; one larger than `maxBytes` empties the table, and is not kept. */
  add(field: HeaderField, maxBytes: number): void {
    const bytes = fieldBytes(field);
    this.evict(Math.max(0, maxBytes - bytes));
    if (bytes > maxBytes) return;
    this.#fields.push(field);
    this.#bytes += bytes;
  }
}
