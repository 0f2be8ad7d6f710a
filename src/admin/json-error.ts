/** Where a text stops being JSON (RFC 8259): the engine's own messages have no place. Runs only after `JSON.parse` failed. */

export interface JsonError {
  /** UTF-16 units from the start. */
  readonly offset: number;
  readonly message: string;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** Stands for itself in a text. False at the end (NaN). */
const isPlain = (code: number): boolean => code >= 0x20 && code !== 0x22 && code !== 0x5c;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #fail(message: string, offset = this.#at): JsonError {
    return { offset, message };
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? 'x')) this.#at++;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #found(): string {
    const char = this.#text[this.#at];
    return char === undefined ? 'the end of the text' : JSON.stringify(char);
  }

  /** After the opening quote. */
  #string(): JsonError | undefined {
    const start = this.#at++;
    for (;;) {
      while (isPlain(this.#text.charCodeAt(this.#at))) this.#at++;
      const char = this.#text[this.#at];
      if (char === '"') {
        this.#at++;
        return undefined;
      }
      if (char === undefined) return this.#fail('a text in quotes does not end', start);
      if (char !== '\\') return this.#fail('a control character in a text; write it as \\n, \\t or \\u00XX');
      if (this.#match(ESCAPE) === undefined) return this.#fail('an escape that JSON does not have');
    }
  }

  #scalar(): JsonError | undefined {
    const char = this.#text[this.#at];
    if (char === '"') return this.#string();
    for (const word of ['true', 'false', 'null'])
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return undefined;
      }
    if (char !== undefined && /[-0-9]/.test(char) && this.#match(NUMBER) !== undefined) return undefined;
    return this.#fail(`expected a value, found ${this.#found()}`);
  }

  /** Before a key: position behind its colon. */
  #key(): JsonError | undefined {
    this.#space();
    if (this.#text[this.#at] !== '"') return this.#fail(`expected a name in double quotes, found ${this.#found()}`);
    const failed = this.#string();
    if (failed !== undefined) return failed;
    this.#space();
    if (this.#text[this.#at] !== ':') return this.#fail(`expected ":" after a name, found ${this.#found()}`);
    this.#at++;
    return undefined;
  }

  run(): JsonError | undefined {
    /** Closing brackets that are due, innermost last. */
    const due: string[] = [];
    for (;;) {
      // A value is due here.
      this.#space();
      const char = this.#text[this.#at];
      if (char === '{' || char === '[') {
        this.#at++;
        this.#space();
        const close = char === '{' ? '}' : ']';
        if (this.#text[this.#at] !== close) {
          due.push(close);
          const failed = close === '}' ? this.#key() : undefined;
          if (failed !== undefined) return failed;
          continue;
        }
        this.#at++;
      } else {
        const failed = this.#scalar();
        if (failed !== undefined) return failed;
      }
      // A value ended here.
      for (;;) {
        this.#space();
        const next = this.#text[this.#at];
        const close = due.at(-1);
        if (close === undefined)
          return next === undefined ? undefined : this.#fail(`expected the end of the text, found ${this.#found()}`);
        if (next === close) {
          this.#at++;
          due.pop();
          continue;
        }
        if (next !== ',') return this.#fail(`expected "," or "${close}", found ${this.#found()}`);
        this.#at++;
        const failed = close === '}' ? this.#key() : undefined;
        if (failed !== undefined) return failed;
        break;
      }
    }
  }
}

/** The first error; undefined: the text is JSON. Uses no recursion, so nesting cannot overflow it. */
export const jsonError = (text: string): JsonError | undefined => new Scanner(text).run();

/** 1-based line and column of an offset. */
export const lineAndColumn = (text: string, offset: number): { readonly line: number; readonly column: number } => {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
};
