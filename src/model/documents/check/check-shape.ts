/**
 * Walks a value and its shape together and reports E101-E107 and E203 (policies.md section 1). Recursion is bounded: the guard
 * has limited the depth before.
 */

import { isForbiddenKey, isObject } from '../json.ts';
import { isPercent } from '../text/duration.ts';
import { nearestWord } from '../text/suggest.ts';
import { textProblem } from '../text/text-format.ts';
import type { FindingSink } from './finding-sink.ts';
import type {
  ListShape,
  MapShape,
  NumberShape,
  ObjectShape,
  Shape,
  TextShape,
  UnionShape,
  WordShape,
} from './shape.ts';
import { allowedBy, listOf, show } from './wording.ts';

export interface ShapeContext {
  readonly sink: FindingSink;
  /** Fields that this version does not compile are stored without effect instead of refused. */
  readonly inert: boolean;
}

/** Last key of the path, for messages. */
const nameHere = (context: ShapeContext): string => String(context.sink.path.at(-1) ?? 'document');

const wrong = (context: ShapeContext, shape: Shape, value: unknown, code = 'E102'): void => {
  // The guard has reported NaN and Infinity.
  if (typeof value === 'number' && !Number.isFinite(value)) return;
  context.sink.report(code, `"${nameHere(context)}" is ${show(value)}, allowed is ${allowedBy(shape)}.`);
};

const checkText = (context: ShapeContext, shape: TextShape, value: unknown): void => {
  const format = shape.marks.text;
  if (typeof value !== 'string') {
    if (typeof value !== 'number' && typeof value !== 'boolean') wrong(context, shape, value);
    else if (format === 'duration') {
      const problem = textProblem(format, '', shape.marks);
      context.sink.report(
        'E104',
        `"${nameHere(context)}" is ${show(value)}, allowed is ${problem?.allowed ?? 'a duration'}.`,
      );
    } else
      context.sink.report('E105', `"${nameHere(context)}" is ${show(value)}, a text is due: quote it.`, [], {
        hint: `"${String(value)}"`,
      });
    return;
  }
  if (value.length < shape.min || value.length > shape.max) {
    const size = shape.max >= Number.MAX_SAFE_INTEGER ? `at least ${shape.min}` : `${shape.min}..${shape.max}`;
    // A name or expression of the wrong length is a bad name or expression, not a large document.
    const code = format === 'regex' ? 'E203' : format === undefined && value.length > shape.max ? 'E106' : 'E104';
    context.sink.report(code, `"${nameHere(context)}" has ${value.length} characters, ${size} are allowed.`);
    return;
  }
  if (shape.pattern !== undefined && !shape.pattern.test(value)) {
    context.sink.report(
      'E104',
      `"${nameHere(context)}" is ${show(value)}, allowed is a text that matches ${shape.pattern.source}.`,
    );
    return;
  }
  const problem = format === undefined ? undefined : textProblem(format, value, shape.marks);
  if (problem !== undefined) {
    context.sink.report(problem.code, `"${nameHere(context)}" is ${show(value)}, allowed is ${problem.allowed}.`);
  }
};

const checkNumber = (context: ShapeContext, shape: NumberShape, value: unknown): void => {
  if (shape.marks.percent === true) {
    if (typeof value !== 'number' || !isPercent(value)) wrong(context, shape, value, 'E104');
    return;
  }
  const good =
    typeof value === 'number' &&
    value >= shape.min &&
    value <= shape.max &&
    (!shape.whole || Number.isSafeInteger(value));
  if (!good) wrong(context, shape, value);
};

const checkWord = (context: ShapeContext, shape: WordShape, value: unknown): void => {
  if (shape.words.includes(value)) return;
  const texts = shape.words.filter((word): word is string => typeof word === 'string');
  const meant = typeof value === 'string' ? nearestWord(value, texts) : undefined;
  const question = meant === undefined ? '' : ` (did you mean ${meant}?)`;
  context.sink.report('E102', `"${nameHere(context)}" is ${show(value)}${question}, allowed is ${allowedBy(shape)}.`);
};

const checkList = (context: ShapeContext, shape: ListShape, value: unknown): void => {
  if (!Array.isArray(value)) {
    wrong(context, shape, value);
    return;
  }
  if (value.length > shape.max) {
    context.sink.report('E106', `"${nameHere(context)}" has ${value.length} items, ${shape.max} are allowed.`);
    return;
  }
  if (value.length < shape.min) {
    context.sink.report('E102', `"${nameHere(context)}" has ${value.length} items, at least ${shape.min} are due.`);
  }
  const { path } = context.sink;
  for (const [index, item] of value.entries()) {
    path.push(index);
    checkShape(context, shape.item, item);
    path.pop();
  }
};

const checkMap = (context: ShapeContext, shape: MapShape, value: unknown): void => {
  if (!isObject(value)) {
    wrong(context, shape, value);
    return;
  }
  const keys = Object.keys(value);
  if (keys.length > shape.max) {
    context.sink.report('E106', `"${nameHere(context)}" has ${keys.length} entries, ${shape.max} are allowed.`);
    return;
  }
  if (keys.length < shape.min) {
    const due = shape.marks.emptyCode === 'E401' ? 'at least one label is due' : `at least ${shape.min} is due`;
    context.sink.report(shape.marks.emptyCode ?? 'E102', `"${nameHere(context)}" is empty, ${due}.`);
  }
  const format = shape.marks.key;
  const { path } = context.sink;
  for (const key of keys) {
    if (isForbiddenKey(key)) continue;
    path.push(key);
    const problem = format === undefined ? undefined : textProblem(format, key, shape.marks);
    if (problem !== undefined)
      context.sink.report(problem.code, `${show(key)} is no good name here, allowed is ${problem.allowed}.`);
    checkShape(context, shape.item, value[key]);
    path.pop();
  }
};

const checkGroups = (context: ShapeContext, shape: ObjectShape, value: Record<string, unknown>): void => {
  const { exactlyOne, atMostOne } = shape.marks;
  if (exactlyOne !== undefined) {
    const given = exactlyOne.filter((name) => value[name] !== undefined);
    if (given.length !== 1) {
      const found = given.length === 0 ? 'none of them' : listOf(given);
      context.sink.report(
        'E103',
        `"${nameHere(context)}" needs exactly one of ${exactlyOne.join(', ')}; found ${found}.`,
      );
    }
  }
  for (const group of atMostOne ?? []) {
    const given = group.fields.filter((name) => value[name] !== undefined && value[name] !== null);
    if (given.length > 1) {
      context.sink.report(
        group.code,
        `${listOf(given)} are both set, only one of ${group.fields.join(', ')} is allowed.`,
        [given[1] ?? ''],
      );
    }
  }
};

const checkObject = (context: ShapeContext, shape: ObjectShape, value: unknown): void => {
  if (!isObject(value)) {
    wrong(context, shape, value);
    return;
  }
  const { path, report } = context.sink;
  for (const key of Object.keys(value)) {
    if (isForbiddenKey(key)) continue;
    const child = shape.fields.get(key) ?? shape.others;
    path.push(key);
    if (child === undefined) {
      const meant = nearestWord(key, shape.fields.keys());
      const help =
        meant === undefined ? `known are ${[...shape.fields.keys()].join(', ') || 'none'}` : `did you mean ${meant}?`;
      report('E101', `Unknown field "${key}" (${help}).`);
    } else if (value[key] !== undefined) checkShape(context, child, value[key]);
    path.pop();
  }
  for (const name of shape.required) {
    if (value[name] === undefined) report('E103', `"${name}" is missing.`, [name]);
  }
  checkGroups(context, shape, value);
};

/** The alternative that the author had in mind: by JSON type, among objects by the fields they share. */
const meantOption = (shape: UnionShape, value: unknown): Shape | undefined => {
  let best: Shape | undefined;
  let most = -1;
  for (const option of shape.options) {
    if (Array.isArray(value) ? option.type === 'list' : typeof value === 'string' && option.type === 'text')
      return option;
    if (option.type === 'word' && option.words.includes(value)) return option;
    if (!isObject(value) || (option.type !== 'object' && option.type !== 'map')) continue;
    const shared = option.type === 'object' ? Object.keys(value).filter((key) => option.fields.has(key)).length : 0;
    if (shared > most) {
      best = option;
      most = shared;
    }
  }
  return best;
};

const checkUnion = (context: ShapeContext, shape: UnionShape, value: unknown): void => {
  const option = meantOption(shape, value);
  if (option !== undefined) checkShape(context, option, value);
  else {
    const text = shape.options.find((candidate) => candidate.type === 'text');
    if (text !== undefined && (typeof value === 'number' || typeof value === 'boolean'))
      checkShape(context, text, value);
    else wrong(context, shape, value);
  }
};

export const checkShape = (context: ShapeContext, shape: Shape, value: unknown): void => {
  if (shape.marks.later === true && !context.inert) {
    context.sink.report(
      'E107',
      `"${nameHere(context)}" has its shape but is not compiled in this version, so it would have no effect: refused.`,
      [],
      {
        hint: 'leave it out: a later version compiles it',
      },
    );
  }
  if (value === null) {
    if (!shape.nullable && shape.type !== 'any') wrong(context, shape, value);
    return;
  }
  switch (shape.type) {
    case 'object':
      checkObject(context, shape, value);
      return;
    case 'map':
      checkMap(context, shape, value);
      return;
    case 'list':
      checkList(context, shape, value);
      return;
    case 'text':
      checkText(context, shape, value);
      return;
    case 'number':
      checkNumber(context, shape, value);
      return;
    case 'word':
      checkWord(context, shape, value);
      return;
    case 'union':
      checkUnion(context, shape, value);
      return;
    case 'boolean':
      if (typeof value !== 'boolean') wrong(context, shape, value);
      return;
    case 'any':
      return;
  }
};
