/** Numbers as people read them: a few digits and a unit. Never `NaN`: what was not measured is a dash. */

export type Unit = 'ms' | 's' | 'bytes' | 'count' | 'percent' | 'per-second' | 'ratio' | 'us' | 'mib';

export const NOT_MEASURED = '–';

/** Three significant digits, thousands apart. */
const digits = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US');
  if (size >= 10) return value.toFixed(1);
  if (size >= 0.01 || value === 0) return value.toFixed(2);
  return value.toPrecision(2);
};

const stepped = (value: number, steps: readonly (readonly [number, string])[]): string => {
  const [size, name] = steps.findLast(([from]) => Math.abs(value) >= from) ?? steps[0] ?? [1, ''];
  return `${digits(value / size)} ${name}`;
};

const BYTES = [
  [1, 'B'],
  [1e3, 'KB'],
  [1e6, 'MB'],
  [1e9, 'GB'],
  [1e12, 'TB'],
] as const;

/** KB, MB, GB are powers of 1,000, as in the figures asked for; `mib` is what /proc gives, divided by 2^20, and is written MB there too. */
export const format = (value: number | undefined, unit: Unit): string => {
  if (value === undefined || !Number.isFinite(value)) return NOT_MEASURED;
  switch (unit) {
    case 'bytes':
      return stepped(value, BYTES);
    case 'ms':
      return Math.abs(value) >= 10_000 ? `${digits(value / 1_000)} s` : `${digits(value)} ms`;
    case 's':
      return `${digits(value)} s`;
    case 'us':
      return Math.abs(value) >= 10_000 ? `${digits(value / 1_000)} ms` : `${digits(value)} µs`;
    case 'mib':
      return `${digits(value)} MB`;
    case 'percent':
      return `${digits(value)} %`;
    case 'per-second':
      return `${digits(value)}/s`;
    case 'ratio':
      return `${digits(value)} ×`;
    case 'count':
      return digits(value);
  }
};

/** `<`, `&` and quotes as they are read in HTML text and attributes, and no character that XML does not allow. */
export const escaped = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, (found) => (/[\t\n]/.test(found) ? found : '?'))
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** Text that stays one cell of a Markdown table, and that no Markdown reader takes for HTML. */
export const cell = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replaceAll('|', '\\|')
    .replaceAll(/<(?=[a-z!?/])/gi, '&lt;')
    .replaceAll(/\s*\n\s*/g, ' ');
