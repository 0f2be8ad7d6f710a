/** `tendril explain KIND[.FIELD]`: the fields of a kind of document, offline. */
import { type FieldInfo, fieldsOf, isCompiledKind, isObject, KINDS, nearestWord } from '../../model/index.ts';
import { flag, formatOf, type Options, parse, usageError } from '../arguments.ts';
import type { Command } from '../command.ts';
import { kindOf } from '../document-ref.ts';
import { render, table } from '../output.ts';

const OPTIONS: Options = {
  output: { type: 'string', short: 'o' },
  all: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

const defaultOf = ({ default: value }: FieldInfo): string | undefined => {
  if (value === undefined) return undefined;
  return isObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
};

/** `rules.canary.timeout` is the field `rules.<name>.timeout`. */
const within = (path: string, wanted: readonly string[]): boolean => {
  const tokens = path.replaceAll('[]', '.[]').split('.');
  return wanted.every((token, index) => tokens[index] === token || tokens[index] === '<name>');
};

export const explain: Command = {
  usage: 'explain KIND[.FIELD]',
  options: OPTIONS,
  help: [
    `KIND   ${KINDS.join(', ')}`,
    'FIELD  below spec; only it and what is in it',
    '--all  also the fields that this version refuses (E107)',
    '-o table|wide|json|yaml|name',
  ],
  examples: ['tendril explain Route', 'tendril explain Upstream.outlier'],
  run: async (argv, io) => {
    const args = parse('explain', argv, OPTIONS, { min: 1, max: 1, usage: explain.usage });
    const format = formatOf(args);
    const [word = '', ...rest] = (args.positionals[0] ?? '').split('.');
    const kind = kindOf(word);
    const wanted = rest[0] === 'spec' ? rest.slice(1) : rest;
    const everything = flag(args, 'all') || !isCompiledKind(kind);
    const all = fieldsOf(kind).filter(({ compiled }) => compiled || everything);
    const fields = all.filter(({ path }) => within(path, wanted));
    if (fields.length === 0) {
      const meant = nearestWord(
        wanted.join('.'),
        all.map(({ path }) => path),
      );
      throw usageError(
        `${kind} has no field "${wanted.join('.')}"${meant === undefined ? '' : `; did you mean ${meant}?`}`,
        `tendril explain ${kind}`,
      );
    }
    io.out(
      render(
        format,
        { kind, fields },
        () =>
          table(
            fields,
            [
              { title: 'FIELD', value: ({ path }) => `spec.${path}` },
              { title: 'DEFAULT', value: defaultOf },
              {
                title: 'MEANING',
                value: ({ compiled, description }) =>
                  [
                    ...(compiled ? [] : ['(refused in this version, E107)']),
                    ...(description ? [description] : []),
                  ].join(' '),
              },
            ],
            format,
          ),
        () => fields.map(({ path }) => `spec.${path}`),
      ),
    );
    return 0;
  },
};
