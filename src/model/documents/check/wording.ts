/** Words of findings: what was found, what is allowed. */
import type { Shape } from './shape.ts';

const MAX_SHOWN = 60;

/** A value as people wrote it, cut when long. */
export const show = (value: unknown): string => {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)` : text;
};

const bounds = (min: number, max: number): string =>
  max >= Number.MAX_SAFE_INTEGER ? (min <= -Number.MAX_SAFE_INTEGER ? '' : ` of at least ${min}`) : ` ${min}..${max}`;

/** Completes "allowed is …". */
export const allowedBy = (shape: Shape): string => {
  switch (shape.type) {
    case 'object':
    case 'map':
      return 'an object';
    case 'list':
      return 'a list';
    case 'text':
      return 'a text';
    case 'number':
      if (shape.marks.percent === true) return 'a percent: number 0..100, up to 4 decimals';
      return `${shape.whole ? 'a whole number' : 'a number'}${bounds(shape.min, shape.max)}`;
    case 'boolean':
      return 'true or false';
    case 'word':
      return shape.words.map((word) => String(word)).join(', ');
    case 'union':
      return shape.options.map(allowedBy).join(', or ');
    case 'any':
      return 'any value';
  }
};

export const listOf = (words: readonly string[]): string => words.map((word) => `"${word}"`).join(', ');
