/**
 * A small strict reader of the pages that we write: every element is closed in order, every attribute is quoted, every `<` and `&` is
 * markup or a known reference, identifiers are there once. Gives what it found, or throws with the place.
 */

export interface PageFacts {
  /** Tag -> how often. */
  readonly tags: ReadonlyMap<string, number>;
  /** All text outside of tags and of `style`, references read. */
  readonly text: string;
  readonly ids: ReadonlySet<string>;
  /** Values of all attributes. */
  readonly values: readonly string[];
}

const TOKEN = /<!doctype html>|<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z][a-zA-Z0-9-]*="[^"<]*")*)\s*(\/?)>/y;
const ATTRIBUTE = /([a-zA-Z][a-zA-Z0-9-]*)="([^"]*)"/g;
const REFERENCE = /&(amp|lt|gt|quot|#39);/g;
const MEANING: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

const plain = (text: string, at: number): string => {
  const left = text.replaceAll(REFERENCE, '');
  if (/[&<]/.test(left)) throw new Error(`unescaped "${/[&<].{0,20}/.exec(left)?.[0]}" near ${at}`);
  return text.replaceAll(REFERENCE, (_, name: string) => MEANING[name] ?? '?');
};

export const readPage = (html: string): PageFacts => {
  const open: string[] = [];
  const tags = new Map<string, number>();
  const ids = new Set<string>();
  const values: string[] = [];
  let text = '';
  let at = 0;
  while (at < html.length) {
    if (open.at(-1) === 'style') at = html.indexOf('</style>', at);
    const next = html.indexOf('<', at);
    if (next < 0) break;
    text += `${plain(html.slice(at, next), at)} `;
    TOKEN.lastIndex = next;
    const match = TOKEN.exec(html);
    if (match === null) throw new Error(`no tag at ${next}: ${html.slice(next, next + 60)}`);
    at = TOKEN.lastIndex;
    const [, closing, tag, attributes = '', alone] = match;
    if (tag === undefined) continue;
    if (closing === '/') {
      const last = open.pop();
      if (last !== tag) throw new Error(`</${tag}> closes <${last}> at ${next}`);
      continue;
    }
    tags.set(tag, (tags.get(tag) ?? 0) + 1);
    for (const [, name = '', value = ''] of attributes.matchAll(ATTRIBUTE)) {
      values.push(plain(value, next));
      if (name !== 'id') continue;
      if (ids.has(value)) throw new Error(`id ${value} is there twice`);
      ids.add(value);
    }
    if (alone !== '/') open.push(tag);
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(' ')}`);
  return { tags, text, ids, values };
};
