/** `tendril get KIND [NAME]`: documents, services and endpoints as the server has them. */
import { AT_HELP, CLIENT_OPTIONS, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import type { Format } from '../format.ts';
import { ago, plural, render, table } from '../output.ts';
import { getEndpoints, getService, getServices } from './registry.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, namespace: { type: 'string', short: 'n' }, at: { type: 'string' } };

interface DocumentItem {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly offset: number;
  readonly source: string;
  readonly recordedAt: string;
  readonly reason?: string;
  readonly file?: string;
  readonly line?: number;
  readonly document: unknown;
}

const idOf = (item: DocumentItem): string => `${item.kind}/${item.namespace}/${item.name}`;

const documentTable = (items: readonly DocumentItem[], format: Format, now: number): string =>
  table(
    items,
    [
      { title: 'DOCUMENT', value: idOf },
      { title: 'EVENT', value: (item) => item.offset, number: true },
      { title: 'WHEN', value: (item) => ago(item.recordedAt, now) },
      { title: 'WHO', value: (item) => item.source },
      { title: 'FILE', value: (item) => (item.file === undefined ? undefined : `${item.file}:${item.line ?? 1}`) },
      { title: 'REASON', value: (item) => item.reason, wide: true },
    ],
    format,
  );

/** `services` and `endpoints` are of the registry, `all` is every document; all else is a kind of document. */
const REGISTRY: Readonly<Record<string, 'services' | 'endpoints'>> = {
  services: 'services',
  svc: 'services',
  endpoints: 'endpoints',
  endpoint: 'endpoints',
  ep: 'endpoints',
};

export const get: Command = {
  usage: 'get KIND[/NAMESPACE]/NAME | get KIND | get all | get services [SERVICE] | get endpoints SERVICE',
  options: OPTIONS,
  help: [
    'KIND                Service, Route, Upstream, Dependency: documents; with a name: the document itself',
    'all                 all documents',
    'services            what is registered, by documents and events; with SERVICE.NAMESPACE: that one',
    'endpoints SERVICE   the endpoints of SERVICE.NAMESPACE',
    '-n, --namespace NS  of a name (default: default); in lists: only this one',
    AT_HELP,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: [
    'tendril get routes -o wide',
    'tendril get Route/shop/reviews --at 2h',
    'tendril get Route/shop/reviews',
    'tendril get services cart.shop',
  ],
  run: async (argv, io) => {
    const args = parse('get', argv, OPTIONS, { min: 1, max: 2, usage: get.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const namespace = text(args, 'namespace');
    const at = text(args, 'at');
    const [first = '', ...names] = args.positionals.flatMap((word) => word.split('/'));
    const registry = REGISTRY[first.toLowerCase()];
    if (registry !== undefined) {
      if (names.length > 1 || names[0] === '') throw usageError(`usage: tendril ${get.usage}`);
      const [name] = names;
      const query = { client, format, namespace, at, out: io.out };
      if (registry === 'endpoints') {
        if (name === undefined) throw usageError('endpoints of which service?', 'tendril get services');
        return getEndpoints(query, name);
      }
      return name === undefined ? getServices(query) : getService(query, name);
    }
    const all = first.toLowerCase() === 'all' && names.length === 0;
    const ref = all ? undefined : documentRef(args.positionals, namespace);
    if (ref?.name !== undefined) {
      const id = `${ref.kind}/${ref.namespace ?? 'default'}/${ref.name}`;
      const { body } = await client.request<DocumentItem>(
        `/v1/docs/${id.split('/').map(encodeURIComponent).join('/')}`,
        {
          query: { at },
          remedies: { DOCUMENT_UNKNOWN: `tendril get ${ref.kind}` },
        },
      );
      io.out(
        render(
          format === 'table' || format === 'wide' ? 'yaml' : format,
          body.document,
          () => '',
          () => [id],
        ),
      );
      return 0;
    }
    const items = await client.all<DocumentItem>('/v1/docs', 'docs', { kind: ref?.kind, namespace, at });
    io.out(
      render(
        format,
        { documents: items },
        () =>
          [
            documentTable(items, format, io.now()),
            plural(items.length, 'document') + (items.length === 0 ? '; next: tendril apply -f FILE' : ''),
          ].join('\n'),
        () => items.map(idOf),
      ),
    );
    return 0;
  },
};
