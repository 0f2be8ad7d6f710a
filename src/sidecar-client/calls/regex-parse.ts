/**
 * RE2 text -> a tree, for `RegexMachine`. JavaScript's own engine backtracks: an expression from a document could hold up the
 * application that calls. Greediness and captures are read over, since Envoy always compares the whole value. Source: RE2 syntax page.
 */

/** Takes one code point. */
export type CharTest = (code: number) => boolean;

export type Assertion = 'textStart' | 'textEnd' | 'lineStart' | 'lineEnd' | 'wordEdge' | 'noWordEdge';

export type RegexNode =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'all'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'any'; readonly choices: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly node: RegexNode; readonly least: number; readonly most: number };

export interface RegexFlags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
}

export const isWordCode = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;

const POSIX: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  blank: /[\t ]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t\n\v\f\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
};
const LETTER_CLASSES: Readonly<Record<string, RegExp>> = { d: /[0-9]/, s: /[\t\n\f\r ]/, w: /[0-9A-Za-z_]/ };
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: 'textStart',
  z: 'textEnd',
  b: 'wordEdge',
  B: 'noWordEdge',
};

const is =
  (single: RegExp): CharTest =>
  (code) =>
    single.test(String.fromCodePoint(code));
const not =
  (test: CharTest): CharTest =>
  (code) =>
    !test(code);

const posixTest = (name: string): CharTest => {
  if (name === 'ascii') return (code) => code < 0x80;
  if (name === 'cntrl') return (code) => code < 0x20 || code === 0x7f;
  const named = POSIX[name];
  if (named === undefined) throw new SyntaxError(`invalid character class range [:${name}:]`);
  return is(named);
};

/** With `ignoreCase`: also the other case of the code point. */
const folded = (test: CharTest, { ignoreCase }: RegexFlags): CharTest => {
  if (!ignoreCase) return test;
  return (code) => {
    if (test(code)) return true;
    const char = String.fromCodePoint(code);
    return test(char.toLowerCase().codePointAt(0) ?? code) || test(char.toUpperCase().codePointAt(0) ?? code);
  };
};

/** Reads one expression; throws `SyntaxError` at what RE2 would not take. */
export class RegexParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): RegexNode {
    const node = this.#choices({ ignoreCase: false, multiLine: false, dotAll: false });
    if (this.#at < this.#text.length) throw new SyntaxError('unexpected )');
    return node;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at += found[0].length;
    return found;
  }

  /** Up to `)` or the end. Flags set inside hold until there. */
  #choices(outer: RegexFlags): RegexNode {
    let flags = outer;
    const choices: RegexNode[] = [];
    let parts: RegexNode[] = [];
    while (this.#at < this.#text.length && this.#text[this.#at] !== ')') {
      if (this.#take(/\|/y)) {
        choices.push({ kind: 'all', parts });
        parts = [];
        continue;
      }
      const set = this.#take(/\(\?([imsU]*)(?:-([imsU]+))?\)/y);
      if (set !== undefined) {
        flags = this.#flags(flags, set);
        continue;
      }
      parts.push(...this.#repeated(this.#atom(flags)));
    }
    choices.push({ kind: 'all', parts });
    return choices.length === 1 && choices[0] !== undefined ? choices[0] : { kind: 'any', choices };
  }

  #flags(flags: RegexFlags, [, on = '', off = '']: RegExpExecArray): RegexFlags {
    const value = (letter: string, now: boolean): boolean => (now || on.includes(letter)) && !off.includes(letter);
    return {
      ignoreCase: value('i', flags.ignoreCase),
      multiLine: value('m', flags.multiLine),
      dotAll: value('s', flags.dotAll),
    };
  }

  /** A text in `\Q…\E` is several nodes, of which the last is repeated. */
  #repeated(nodes: readonly RegexNode[]): readonly RegexNode[] {
    const sign = this.#take(/(?:[*+?]|\{(\d+)(,(\d*))?\})\??/y);
    if (sign === undefined) return nodes;
    const last = nodes.at(-1);
    if (last === undefined) throw new SyntaxError(`no argument for repetition operator ${sign[0]}`);
    if (this.#take(/[*+?]/y)) throw new SyntaxError(`bad repetition operator ${sign[0]}`);
    const [text, low, comma, high] = sign;
    let least = text.startsWith('+') ? 1 : 0;
    let most = text.startsWith('?') ? 1 : Number.POSITIVE_INFINITY;
    if (low !== undefined) {
      least = Number(low);
      if (comma === undefined) most = least;
      else if (high) most = Number(high);
      if (least > 1000 || (most !== Number.POSITIVE_INFINITY && most > 1000) || most < least)
        throw new SyntaxError(`invalid repetition size ${text}`);
    }
    return [...nodes.slice(0, -1), { kind: 'repeat', node: last, least, most }];
  }

  #atom(flags: RegexFlags): readonly RegexNode[] {
    const { multiLine, dotAll } = flags;
    const char = (test: CharTest): readonly RegexNode[] => [{ kind: 'char', test }];
    const open = this.#take(/\((?:\?(?:P?<[A-Za-z_]\w*>|([imsU]*)(?:-([imsU]+))?:))?(?!\?)/y);
    if (open !== undefined) {
      const node = this.#choices(this.#flags(flags, open));
      if (!this.#take(/\)/y)) throw new SyntaxError('missing )');
      return [node];
    }
    if (this.#take(/\./y)) return char((code) => dotAll || code !== 10);
    if (this.#take(/\^/y)) return [{ kind: 'assert', what: multiLine ? 'lineStart' : 'textStart' }];
    if (this.#take(/\$/y)) return [{ kind: 'assert', what: multiLine ? 'lineEnd' : 'textEnd' }];
    if (this.#take(/\[/y)) return char(this.#set(flags));
    const quoted = this.#take(/\\Q([\s\S]*?)(?:\\E|$)/y);
    if (quoted !== undefined)
      return [...(quoted[1] ?? '')].flatMap((each) => char(this.#literal(each.codePointAt(0) ?? 0, flags)));
    if (this.#take(/\\E/y)) return [];
    if (this.#take(/\\C/y)) return char(() => true);
    const assertion = this.#take(/\\([AzbB])/y)?.[1];
    if (assertion !== undefined) return [{ kind: 'assert', what: ASSERTIONS[assertion] ?? 'textEnd' }];
    if (this.#text[this.#at] === '\\') {
      const escaped = this.#escape();
      return char(typeof escaped === 'number' ? this.#literal(escaped, flags) : folded(escaped, flags));
    }
    if (this.#take(/[*+?]|\(/y)) throw new SyntaxError('bad repetition operator or group');
    return char(this.#literal(this.#code(), flags));
  }

  #literal(code: number, flags: RegexFlags): CharTest {
    return folded((other) => other === code, flags);
  }

  #code(): number {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) throw new SyntaxError('missing ]');
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  /** At `\`: one code point, or a class. */
  #escape(): number | CharTest {
    const letter = this.#take(/\\([dDsSwW])/y)?.[1];
    if (letter !== undefined) {
      const test = is(LETTER_CLASSES[letter.toLowerCase()] ?? /^$/);
      return letter === letter.toLowerCase() ? test : not(test);
    }
    const control = this.#take(/\\([aftnrv])/y)?.[1];
    if (control !== undefined) return CONTROLS[control] ?? 0;
    const hex = this.#take(/\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})/y);
    if (hex !== undefined) return Number.parseInt(hex[1] ?? hex[2] ?? '0', 16);
    const octal = this.#take(/\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/y)?.[1];
    if (octal !== undefined) return Number.parseInt(octal, 8);
    const property = this.#take(/\\([pP])(?:([A-Z])|\{(\^?)([A-Za-z_]{1,32})\})/y);
    if (property !== undefined) {
      const name = property[2] ?? property[4] ?? '';
      const test = is(new RegExp(name.length <= 2 ? `^\\p{${name}}$` : `^\\p{Script=${name}}$`, 'u'));
      return (property[1] === 'P') !== (property[3] === '^') ? not(test) : test;
    }
    const punctuation = this.#take(/\\([!-/:-@[-`{-~])/y)?.[1];
    if (punctuation !== undefined && punctuation !== '_') return punctuation.charCodeAt(0);
    throw new SyntaxError(`invalid escape sequence ${this.#text.slice(this.#at, this.#at + 2)}`);
  }

  /** Behind `[`. */
  #set(flags: RegexFlags): CharTest {
    const negated = this.#take(/\^/y) !== undefined;
    const tests: CharTest[] = [];
    for (let first = true; first || !this.#take(/\]/y); first = false) {
      const posix = this.#take(/\[:(\^?)([a-z]+):\]/y);
      if (posix !== undefined) {
        const test = posixTest(posix[2] ?? '');
        tests.push(posix[1] === '^' ? not(test) : test);
        continue;
      }
      const low = this.#text[this.#at] === '\\' ? this.#escape() : this.#code();
      if (typeof low !== 'number') {
        tests.push(low);
        continue;
      }
      let high: number | CharTest = low;
      if (this.#take(/-(?!\])/y)) high = this.#text[this.#at] === '\\' ? this.#escape() : this.#code();
      if (typeof high !== 'number' || high < low) throw new SyntaxError('invalid character class range');
      const end = high;
      tests.push((code) => code >= low && code <= end);
    }
    const test = folded((code) => tests.some((each) => each(code)), flags);
    return negated ? not(test) : test;
  }
}
