/**
 * Literal texts as RE2. An Envoy whose bootstrap does not raise `re2.max_program_size.error_level` refuses a regex of more than 100
 * RE2 instructions, and with it the whole virtual host (measured with 1.40: one per byte of literal text, 4 beside).
 */
import type { TextMatch } from '../model/index.ts';

export type ValueMatch = Exclude<TextMatch, { readonly kind: 'present' }>;

/** Bytes of literal text, one more for each text, that a regex may hold. */
export const LITERAL_BUDGET = 94;

/** RE2 text that matches exactly this text. */
export const quote = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}-]/g, (char) => `\\${char}`);

/** RE2 text that matches each of these texts and nothing else. */
export const anyOfTexts = (texts: readonly string[]): string => texts.map(quote).join('|');

/** Groups of texts, in their order, each within the budget unless one text alone is above it. */
export const chunksOf = (texts: readonly string[], budget: number): readonly (readonly string[])[] => {
  const chunks: string[][] = [];
  let room = 0;
  for (const text of texts) {
    const cost = Buffer.byteLength(text) + 1;
    const last = chunks.at(-1);
    if (last === undefined || cost > room) {
      chunks.push([text]);
      room = budget - cost;
    } else {
      last.push(text);
      room -= cost;
    }
  }
  return chunks;
};
