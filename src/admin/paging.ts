/** Pages of lists: `limit`, and `next` as the mark behind the last row. */
import { integerParam, textParam } from './route.ts';

export const MAX_PAGE = 1_000;

export const pageParams = {
  limit: integerParam('Rows of one page.', { min: 1, max: MAX_PAGE, default: 100 }),
  next: textParam('`next` of the page before.'),
};

export interface Page<T> {
  readonly rows: readonly T[];
  readonly next: string | undefined;
}

/**
 * One page of rows that are ascending by key: those behind `next`. Reads one row more than it gives, to know whether there is
 * another page.
 */
export const pageOf = <T>(
  rows: Iterable<T>,
  keyOf: (row: T) => string,
  query: { readonly limit: number; readonly next: string | undefined },
): Page<T> => {
  const page: T[] = [];
  for (const row of rows) {
    if (query.next !== undefined && keyOf(row) <= query.next) continue;
    if (page.length === query.limit) {
      const last = page[page.length - 1];
      return { rows: page, next: last === undefined ? undefined : keyOf(last) };
    }
    page.push(row);
  }
  return { rows: page, next: undefined };
};

/** `next` of a page as a field of the answer. */
export const nextField = (next: string | number | undefined): { readonly next?: string | number } =>
  next === undefined ? {} : { next };
