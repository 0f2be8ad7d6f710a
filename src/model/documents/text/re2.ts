/**
 * Is a text a regular expression that RE2 (Envoy's engine) takes? Read character by character; the user's expression is never
 * compiled by the JavaScript engine, so it cannot make us hang. Source: RE2 syntax page and `re2/parse.cc`.
 */

/** RE2's own limit for `{n,m}`, also for the product of nested ones. */
const MAX_REPEAT = 1000;
const MAX_GROUPS_DEEP = 200;
const CLASS_LETTERS = 'dDsSwW';
const ASSERTION_LETTERS = 'AbBz';
const CONTROL_LETTERS = 'aftnrvC';
const POSIX_CLASS = /^\[:\^?(alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]/;

interface Group {
  /** Largest product of repetitions inside the finished part of this group. */
  repeat: number;
}

type Step = { readonly next: number } | { readonly problem: string };

const isDigit = (char: string | undefined): boolean => char !== undefined && char >= '0' && char <= '9';
const isOctal = (char: string | undefined): boolean => char !== undefined && char >= '0' && char <= '7';
const isWord = (char: string): boolean => /[0-9A-Za-z_]/.test(char);

/** After `\`: position behind the escape. `inClass`: inside `[…]`, where assertions are not allowed. */
const readEscape = (text: string, at: number, inClass: boolean): Step => {
  const char = text[at];
  if (char === undefined) return { problem: 'trailing \\' };
  if (char === 'Q' && !inClass) {
    const end = text.indexOf('\\E', at);
    return { next: end < 0 ? text.length : end + 2 };
  }
  if (char === 'E' && !inClass) return { next: at + 1 };
  if (CLASS_LETTERS.includes(char)) return { next: at + 1 };
  if (CONTROL_LETTERS.includes(char) && !(inClass && char === 'C')) return { next: at + 1 };
  if (!inClass && ASSERTION_LETTERS.includes(char)) return { next: at + 1 };
  if (char === 'p' || char === 'P') {
    const name = /^[pP](?:[A-Z]|\{\^?[A-Za-z_]{1,32}\})/.exec(text.slice(at, at + 40));
    return name === null ? { problem: `invalid character class range \\${char}` } : { next: at + name[0].length };
  }
  if (char === 'x') {
    const hex = /^x(?:[0-9A-Fa-f]{2}|\{([0-9A-Fa-f]{1,8})\})/.exec(text.slice(at, at + 12));
    const tooHigh = hex?.[1] !== undefined && Number.parseInt(hex[1], 16) > 0x10ffff;
    return hex === null || tooHigh ? { problem: 'invalid escape sequence \\x' } : { next: at + hex[0].length };
  }
  if (isDigit(char)) {
    if (char === '0' || (isOctal(char) && isOctal(text[at + 1]))) {
      let next = at + 1;
      while (next < at + 3 && isOctal(text[next])) next++;
      return { next };
    }
    return { problem: `back-reference \\${char}` };
  }
  if (char === 'k' || char === 'g') return { problem: `back-reference \\${char}` };
  if (char.charCodeAt(0) < 0x80 && !isWord(char)) return { next: at + 1 };
  return { problem: `invalid escape sequence \\${char}` };
};

/** At `[`: position behind the matching `]`. */
const readClass = (text: string, start: number): Step => {
  let at = start + 1;
  if (text[at] === '^') at++;
  let first = true;
  /** Code point of the last single character, for the order of a range. */
  let low: number | undefined;
  while (at < text.length) {
    const char = text[at];
    if (char === ']' && !first) return { next: at + 1 };
    const posix = char === '[' && text[at + 1] === ':' ? text.slice(at, at + 16) : undefined;
    if (posix !== undefined) {
      const named = POSIX_CLASS.exec(posix);
      if (named === null) return { problem: 'invalid character class range [:' };
      at += named[0].length;
      low = undefined;
    } else if (char === '\\') {
      const step = readEscape(text, at + 1, true);
      if ('problem' in step) return step;
      at = step.next;
      low = undefined;
    } else {
      const code = text.codePointAt(at) ?? 0;
      at += code > 0xffff ? 2 : 1;
      if (char === '-' && low !== undefined && text[at] !== ']' && text[at] !== '\\') {
        const high = text.codePointAt(at);
        if (high !== undefined && high < low) return { problem: 'invalid character class range' };
        low = undefined;
        at += (high ?? 0) > 0xffff ? 2 : 1;
      } else low = code;
    }
    first = false;
  }
  return { problem: 'missing ]' };
};

/** At `(?`: position behind the opening of the group (or of the flags). `opens`: a group follows. */
const readGroupStart = (text: string, start: number): Step & { readonly opens?: boolean } => {
  const rest = text.slice(start, start + 72);
  if (/^\(\?<?[=!]/.test(rest)) return { problem: 'look-around' };
  if (rest.startsWith('(?>')) return { problem: 'atomic group (?>' };
  if (rest.startsWith('(?#')) return { problem: 'comment (?#' };
  if (rest.startsWith('(?P=') || rest.startsWith('(?P>')) return { problem: 'back-reference (?P' };
  const named = /^\(\?P?<[A-Za-z_][0-9A-Za-z_]{0,60}>/.exec(rest);
  if (named !== null) return { next: start + named[0].length, opens: true };
  const flags = /^\(\?(?:[imsU]+(?:-[imsU]+)?|-[imsU]+|)([:)])/.exec(rest);
  if (flags === null || rest.startsWith('(?)')) return { problem: 'invalid group (?' };
  return { next: start + flags[0].length, opens: flags[1] === ':' };
};

const REPEAT = /^\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}/;

/** What is wrong with the expression, in RE2's terms; undefined: RE2 takes it. */
export const re2Problem = (text: string): string | undefined => {
  const groups: Group[] = [{ repeat: 1 }];
  let at = 0;
  /** Product of repetitions of the last atom; undefined: nothing to repeat here. */
  let atom: number | undefined;
  let repeated = false;
  const current = (): Group => groups[groups.length - 1] ?? { repeat: 1 };
  while (at < text.length) {
    const char = text[at];
    if (char === '*' || char === '+' || char === '?' || (char === '{' && REPEAT.test(text.slice(at, at + 24)))) {
      if (repeated) return char === '+' ? `possessive or double repetition ${char}` : `bad repetition operator ${char}`;
      if (atom === undefined) return `no argument for repetition operator ${char}`;
      if (char === '{') {
        const [all, low, comma, high] = REPEAT.exec(text.slice(at, at + 24)) ?? [''];
        const most = high === undefined ? Number(low) : Number(high);
        if (most > MAX_REPEAT || Number(low) > MAX_REPEAT)
          return `invalid repetition size ${all}, at most ${MAX_REPEAT}`;
        if (comma !== undefined && high !== undefined && Number(high) < Number(low))
          return `invalid repetition size ${all}`;
        atom *= Math.max(1, most);
        if (atom > MAX_REPEAT) return `nested repetitions multiply to ${atom}, at most ${MAX_REPEAT}`;
        current().repeat = Math.max(current().repeat, atom);
        at += all.length;
      } else at++;
      if (text[at] === '?') at++;
      repeated = true;
      continue;
    }
    repeated = false;
    if (char === '(') {
      if (text[at + 1] === '?') {
        const start = readGroupStart(text, at);
        if ('problem' in start) return start.problem;
        if (start.opens === true) groups.push({ repeat: 1 });
        at = start.next;
      } else {
        groups.push({ repeat: 1 });
        at++;
      }
      if (groups.length > MAX_GROUPS_DEEP) return `groups nested deeper than ${MAX_GROUPS_DEEP}`;
      atom = undefined;
    } else if (char === ')') {
      const closed = groups.pop();
      if (closed === undefined || groups.length === 0) return 'unexpected )';
      atom = closed.repeat;
      current().repeat = Math.max(current().repeat, atom);
      at++;
    } else if (char === '|') {
      atom = undefined;
      at++;
    } else if (char === '[') {
      const step = readClass(text, at);
      if ('problem' in step) return step.problem;
      at = step.next;
      atom = 1;
    } else if (char === '\\') {
      const step = readEscape(text, at + 1, false);
      if ('problem' in step) return step.problem;
      at = step.next;
      atom = 1;
    } else {
      at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
      atom = 1;
    }
  }
  return groups.length > 1 ? 'missing )' : undefined;
};

/** The text every match must start with; '' when the expression starts with something else than plain characters. */
export const literalPrefix = (regex: string): string => {
  const start = regex.startsWith('^') ? 1 : 0;
  let at = start;
  while (at < regex.length && !'\\^$.|?*+()[]{}'.includes(regex[at] ?? '')) at++;
  // The last character belongs to a repetition that may take none of it; an alternative makes all of it optional.
  const optional = at > start && '?*{'.includes(regex[at] ?? ' ');
  if (regex.includes('|')) return '';
  return regex.slice(start, optional ? at - 1 : at);
};
