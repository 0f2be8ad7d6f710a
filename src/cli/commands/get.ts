/** `tendril get KIND [NAME]`: documents, services and endpoints as the server has them. */
import { CLIENT_OPTIONS, formatOf, type Options, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import { ago, render, table } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, namespace: { type: 'string', short: 'n' } };

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

interface ServiceItem {
  readonly service: string;
  readonly ports: readonly { readonly port: number; readonly protocol: string }[];
  readonly endpoints: number;
  readonly visibility: string | readonly string[];
}

const services: Command['run'] = async (argv, io) => {
  const args = parse('get', argv, OPTIONS, { min: 1, max: 2, usage: get.usage });
  const format = formatOf(args);
  const client = clientFor(args, io);
  const [, name] = args.positionals.flatMap((word) => word.split('/'));
  if (name !== undefined) {
    const [service, namespace] = name.split('.');
    const { body } = await client.request<unknown>(
      `/v1/services/${namespace ?? text(args, 'namespace') ?? 'default'}/${service}`,
    );
    io.out(
      render(
        format === 'table' || format === 'wide' ? 'yaml' : format,
        body,
        () => '',
        () => [name],
      ),
    );
    return 0;
  }
  const items: ServiceItem[] = [];
  for await (const item of client.pages<ServiceItem>('/v1/services', 'services'))
    if (text(args, 'namespace') === undefined || item.service.endsWith(`.${text(args, 'namespace')}`)) items.push(item);
  io.out(
    render(
      format,
      { services: items },
      () =>
        table(
          items,
          [
            { title: 'SERVICE', value: (item) => item.service },
            {
              title: 'PORTS',
              value: (item) => item.ports.map(({ port, protocol }) => `${port}/${protocol}`).join(','),
            },
            { title: 'ENDPOINTS', value: (item) => item.endpoints, number: true },
            {
              title: 'VISIBILITY',
              value: (item) => (typeof item.visibility === 'string' ? item.visibility : item.visibility.join(',')),
            },
          ],
          format,
        ),
      () => items.map((item) => item.service),
    ),
  );
  return 0;
};

export const get: Command = {
  name: 'get',
  summary: 'show documents and services',
  usage: 'get KIND[/NAMESPACE]/NAME | get KIND | get services [NAME.NAMESPACE]',
  options: OPTIONS,
  help: [
    '-n, --namespace NS  of the document (default: default); in lists: only this one',
    '--server URL, -o table|wide|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('get', argv, OPTIONS, { min: 1, max: 2, usage: get.usage });
    const [first = ''] = args.positionals;
    if (/^(services|svc)(\/|$)/i.test(first)) return services(argv, io);
    const format = formatOf(args);
    const client = clientFor(args, io);
    const ref = documentRef(args.positionals, text(args, 'namespace'));
    if (ref.name !== undefined) {
      const { body } = await client.request<DocumentItem>(
        `/v1/docs/${ref.kind}/${ref.namespace ?? 'default'}/${ref.name}`,
      );
      const id = `${ref.kind}/${ref.namespace ?? 'default'}/${ref.name}`;
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
    const items: DocumentItem[] = [];
    for await (const item of client.pages<DocumentItem>('/v1/docs', 'docs', { kind: ref.kind }))
      if (ref.namespace === undefined || item.namespace === ref.namespace) items.push(item);
    io.out(
      render(
        format,
        { documents: items },
        () =>
          table(
            items,
            [
              { title: 'DOCUMENT', value: (item) => `${item.kind}/${item.namespace}/${item.name}` },
              { title: 'OFFSET', value: (item) => item.offset, number: true },
              { title: 'WHEN', value: (item) => ago(item.recordedAt, io.now()) },
              { title: 'WHO', value: (item) => item.source },
              {
                title: 'FILE',
                value: (item) => (item.file === undefined ? undefined : `${item.file}:${item.line ?? 1}`),
              },
              { title: 'REASON', value: (item) => item.reason, wide: true },
            ],
            format,
          ),
        () => items.map((item) => `${item.kind}/${item.namespace}/${item.name}`),
      ),
    );
    return 0;
  },
};
