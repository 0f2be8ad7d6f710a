/** `tendril delete KIND/NAME` or `-f FILE`. */
import { keyOf, namespaceOf, TendrilError } from '../../model/index.ts';
import { CLIENT_OPTIONS, flag, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import { readGoodDocuments } from '../documents.ts';
import { plural, render, table } from '../output.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  file: { type: 'string', short: 'f', multiple: true },
  namespace: { type: 'string', short: 'n' },
  reason: { type: 'string', short: 'm' },
  'ignore-missing': { type: 'boolean' },
  'exit-code': { type: 'boolean' },
};

const MAX_WORDS = 1_000;

interface Named {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const pathOf = ({ kind, namespace, name }: Named): string => `${kind}/${namespace}/${name}`;

export const remove: Command = {
  usage: 'delete KIND[/NAMESPACE]/NAME … | delete -f FILE',
  options: OPTIONS,
  help: [
    '-f, --file FILE     deletes the documents that the file names',
    '-n, --namespace NS  (default: default)',
    '-m, --reason TEXT   why: kept with the events',
    '--ignore-missing    a document that is not there is no error',
    '--exit-code         exit 2 when something was deleted',
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril delete Route/shop/reviews -m "canary ended"', 'tendril delete -f mesh/ --ignore-missing'],
  run: async (argv, io) => {
    const args = parse('delete', argv, OPTIONS, { min: 0, max: MAX_WORDS, usage: remove.usage });
    const format = formatOf(args);
    const words: readonly Named[] = args.positionals.map((word) => {
      const { kind, namespace, name } = documentRef([word], text(args, 'namespace'));
      if (name === undefined) throw usageError(`delete ${word} names no document`, `tendril get ${kind} -o name`);
      return { kind, namespace: namespace ?? 'default', name };
    });
    const given = args.values.file === undefined ? [] : (await readGoodDocuments(args, io)).documents;
    const wanted = new Map([
      ...words.map((ref) => [pathOf(ref), ref] as const),
      ...given.map(({ document }) => {
        const { kind, metadata } = document;
        return [keyOf(document), { kind, namespace: namespaceOf(document), name: metadata.name }] as const;
      }),
    ]);
    if (wanted.size === 0) throw usageError('nothing to delete');
    const client = clientFor(args, io);
    const missing: string[] = [];
    for (const [path, { kind }] of wanted) {
      const { status } = await client.request(`/v1/docs/${path.split('/').map(encodeURIComponent).join('/')}`, {
        accept: [404],
        remedies: { DOCUMENT_UNKNOWN: `tendril get ${kind}` },
      });
      if (status === 404) missing.push(path);
    }
    const [first] = missing;
    if (first !== undefined && !flag(args, 'ignore-missing'))
      throw new TendrilError('DOCUMENT_UNKNOWN', `there is no ${missing.join(', no ')}; nothing was deleted`, {
        remedy: `tendril get ${first.split('/')[0]}   (or leave them out with --ignore-missing)`,
      });
    const names = [...wanted.keys()].filter((path) => !missing.includes(path));
    const reason = text(args, 'reason');
    const events = names.map((path) => ({
      type: 'policy.deleted',
      data: wanted.get(path),
      ...(reason === undefined ? {} : { reason }),
    }));
    const offsets =
      events.length === 0
        ? []
        : (
            await client.request<{ readonly offsets: readonly number[] }>('/v1/events', {
              method: 'POST',
              body: JSON.stringify({ events }),
            })
          ).body.offsets;
    const deleted = names.map((document, index) => ({ document, offset: offsets[index] }));
    io.out(
      render(
        format,
        { deleted, missing },
        () =>
          deleted.length === 0
            ? `nothing to delete: ${plural(missing.length, 'document is', 'documents are')} not there`
            : table(deleted, [
                { title: 'DOCUMENT', value: ({ document }) => document },
                { title: 'ACTION', value: () => 'deleted' },
                { title: 'EVENT', value: ({ offset }) => offset, number: true },
              ]),
        () => names,
      ),
    );
    return flag(args, 'exit-code') && deleted.length > 0 ? 2 : 0;
  },
};
