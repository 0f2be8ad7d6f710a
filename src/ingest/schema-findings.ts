/**
 * Says in findings what a value lacks to fit an event schema. Runs only after the compiled check said no; so it may be slow,
 * and it reads only the JSON Schema words that event-schema.ts uses.
 */
import { type Finding, isObject, nearestWord, pointerOf } from '../model/index.ts';

type Schema = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

const MAX_FINDINGS = 20;

const show = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};

const asSchema = (value: unknown): Schema => (isObject(value) ? value : {});

/** `allowed is …` of a schema, in words. */
const allowedOf = (schema: Schema): string => {
  if ('const' in schema) return show(schema.const);
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map((branch) => allowedOf(asSchema(branch))).join(', ');
  const bounds = (unit: string, low: unknown, high: unknown): string =>
    low === undefined && high === undefined ? '' : ` of ${low ?? 0}..${high ?? '∞'}${unit}`;
  switch (schema.type) {
    case 'integer':
      return `a whole number${bounds('', schema.minimum, schema.maximum)}`;
    case 'number':
      return `a number${bounds('', schema.minimum, schema.maximum)}`;
    case 'string':
      return schema.pattern === undefined
        ? `a text${bounds(' characters', schema.minLength, schema.maxLength)}`
        : `a text like ${String(schema.pattern)}`;
    case 'array':
      return `a list${bounds(' items', schema.minItems, schema.maxItems)}`;
    case 'object':
      return 'an object';
    case 'boolean':
      return 'true or false';
    default:
      return 'another value';
  }
};

const typeFits = (type: unknown, value: unknown): boolean => {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'string':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
};

class Explain {
  readonly findings: Finding[] = [];

  #add(code: string, path: Path, message: string): void {
    if (this.findings.length < MAX_FINDINGS)
      this.findings.push({ code, severity: 'error', message, pointer: pointerOf(path) });
  }

  #wrong(schema: Schema, value: unknown, path: Path): void {
    const field = path.length === 0 ? 'the value' : `"${path[path.length - 1]}"`;
    // A number or boolean where a text is due is mostly a missing pair of quotes.
    if (schema.type === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
      this.#add('E105', path, `${field} is ${show(value)} without quotes; allowed is ${allowedOf(schema)}: quote it`);
    else this.#add('E102', path, `${field} is ${show(value)}; allowed is ${allowedOf(schema)}`);
  }

  check(schema: Schema, value: unknown, path: Path): void {
    if ('const' in schema) {
      if (schema.const !== value) this.#wrong(schema, value, path);
      return;
    }
    if (Array.isArray(schema.anyOf)) {
      this.#anyOf(schema, schema.anyOf.map(asSchema), value, path);
      return;
    }
    if (!typeFits(schema.type, value)) {
      this.#wrong(schema, value, path);
      return;
    }
    if (typeof value === 'string') this.#text(schema, value, path);
    else if (typeof value === 'number') {
      if (value < Number(schema.minimum ?? -Infinity) || value > Number(schema.maximum ?? Infinity))
        this.#wrong(schema, value, path);
    } else if (Array.isArray(value)) this.#list(schema, value, path);
    else if (isObject(value)) this.#object(schema, value, path);
  }

  #anyOf(schema: Schema, branches: readonly Schema[], value: unknown, path: Path): void {
    const attempts = branches.map((branch) => {
      const attempt = new Explain();
      attempt.check(branch, value, path);
      return attempt.findings;
    });
    if (attempts.some((findings) => findings.length === 0)) return;
    // Only a branch of the value's own type says more than the list of what is allowed.
    const deep = branches.findIndex(
      (branch) => !('const' in branch) && typeFits(branch.type, value) && typeof value === 'object',
    );
    if (deep >= 0) this.findings.push(...(attempts[deep] ?? []).slice(0, MAX_FINDINGS - this.findings.length));
    else this.#wrong(schema, value, path);
  }

  #text(schema: Schema, value: string, path: Path): void {
    const most = Number(schema.maxLength ?? Infinity);
    if (value.length > most) this.#add('E106', path, `${show(value)} has ${value.length} characters, ${most} allowed`);
    else if (value.length < Number(schema.minLength ?? 0)) this.#wrong(schema, value, path);
    else if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern).test(value))
      this.#add('E104', path, `${show(value)} does not fit; allowed is ${allowedOf(schema)}`);
  }

  #list(schema: Schema, value: readonly unknown[], path: Path): void {
    const most = Number(schema.maxItems ?? Infinity);
    if (value.length > most) this.#add('E106', path, `the list has ${value.length} items, ${most} allowed`);
    if (value.length < Number(schema.minItems ?? 0)) this.#wrong(schema, value, path);
    for (const [index, item] of value.entries()) this.check(asSchema(schema.items), item, [...path, index]);
  }

  #object(schema: Schema, value: Record<string, unknown>, path: Path): void {
    const properties = asSchema(schema.properties);
    for (const name of Array.isArray(schema.required) ? schema.required : [])
      if (value[name] === undefined) this.#add('E103', path, `"${name}" is missing`);
    const most = Number(schema.maxProperties ?? Infinity);
    const keys = Object.keys(value);
    if (keys.length > most) this.#add('E106', path, `${keys.length} entries, ${most} allowed`);
    const patterns = Object.entries(asSchema(schema.patternProperties));
    for (const key of keys) {
      if (Object.hasOwn(properties, key)) {
        if (value[key] !== undefined) this.check(asSchema(properties[key]), value[key], [...path, key]);
      } else if (patterns.length > 0) {
        // What no pattern covers is open to the schema; event-rules.ts has a word on it.
        const covering = patterns.find(([pattern]) => new RegExp(pattern).test(key));
        if (covering !== undefined) this.check(asSchema(covering[1]), value[key], [...path, key]);
      } else if (schema.additionalProperties === false)
        this.findings.push(...this.#unknown(key, Object.keys(properties), path));
    }
  }

  #unknown(key: string, known: readonly string[], path: Path): readonly Finding[] {
    if (this.findings.length >= MAX_FINDINGS) return [];
    return [unknownField(key, known, path)];
  }
}

/** E101 with the nearest known name. */
export const unknownField = (key: string, known: readonly string[], path: Path): Finding => {
  const near = nearestWord(key, known);
  const meant = near === undefined ? `allowed are ${known.join(', ')}` : `did you mean "${near}"?`;
  return {
    code: 'E101',
    severity: 'error',
    message: `unknown field ${show(key)} (${meant})`,
    pointer: pointerOf([...path, key]),
  };
};

/** What keeps `value` from fitting `schema`, at most 20 findings, pointers below `path`. Empty when it fits. */
export const schemaFindings = (schema: unknown, value: unknown, path: Path = []): readonly Finding[] => {
  const explain = new Explain();
  explain.check(asSchema(schema), value, path);
  return explain.findings;
};
