/** `tendril proxies` and `tendril proxy ID`: what each sidecar holds, of how many, and whether it took it. */
import { CLIENT_OPTIONS, formatOf, type Options, parse } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, bytes, plural, render, table } from '../output.ts';

interface ProxyItem {
  readonly id: string;
  readonly service: string;
  readonly state: 'in-sync' | 'pending' | 'refused' | 'offline';
  readonly holds: number;
  /** Service ports held, of `of` in the mesh. */
  readonly services?: number;
  readonly of?: number;
  readonly bytes?: number;
  readonly lastAckAt?: string;
  readonly connectedAt?: string;
  readonly lastError?: string;
}

interface ResourceItem {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly bytes?: number;
  readonly sentAt?: string;
  readonly ackedAt?: string;
  readonly error?: string;
}

const LIST: Options = { ...CLIENT_OPTIONS };
/** Refusals are what an operator looks for, so they shout. */
const stateWord = (state: string): string => (state === 'refused' ? 'REFUSED' : state);

export const proxies: Command = {
  name: 'proxies',
  summary: 'list sidecars and what they hold',
  usage: 'proxies',
  options: LIST,
  help: ['--server URL, -o table|wide|json|yaml|name'],
  run: async (argv, io) => {
    const args = parse('proxies', argv, LIST, { min: 0, max: 0, usage: proxies.usage });
    const format = formatOf(args);
    const items: ProxyItem[] = [];
    for await (const item of clientFor(args, io).pages<ProxyItem>('/v1/proxies', 'proxies')) items.push(item);
    const count = (state: string): number => items.filter((item) => item.state === state).length;
    const [refused] = items.filter((item) => item.state === 'refused');
    io.out(
      render(
        format,
        { proxies: items },
        () =>
          [
            table(
              items,
              [
                { title: 'PROXY', value: (item) => item.id },
                { title: 'SERVICE', value: (item) => item.service },
                { title: 'STATE', value: (item) => stateWord(item.state) },
                {
                  title: 'LAST ACK',
                  value: (item) => (item.lastAckAt === undefined ? undefined : ago(item.lastAckAt, io.now())),
                },
                { title: 'HOLDS', value: (item) => item.services ?? item.holds, number: true },
                { title: 'OF', value: (item) => item.of, number: true },
                { title: 'RESOURCES', value: (item) => item.holds, number: true, wide: true },
                {
                  title: 'BYTES SENT',
                  value: (item) => (item.bytes === undefined ? undefined : bytes(item.bytes)),
                  number: true,
                },
                {
                  title: 'CONNECTED',
                  value: (item) => (item.connectedAt === undefined ? undefined : ago(item.connectedAt, io.now())),
                  wide: true,
                },
                { title: 'ERROR', value: (item) => item.lastError ?? '', wide: true },
              ],
              format,
            ),
            `${plural(items.length, 'proxy', 'proxies')}: ${count('in-sync')} in-sync, ${count('pending')} pending, ${count('refused')} refused, ${count('offline')} offline` +
              (refused === undefined ? '' : `; next: tendril proxy ${refused.id}`),
          ].join('\n'),
        () => items.map((item) => item.id),
      ),
    );
    return 0;
  },
};

export const proxy: Command = {
  name: 'proxy',
  summary: 'show one sidecar, resource by resource',
  usage: 'proxy ID',
  options: LIST,
  help: ['--server URL, -o table|wide|json|yaml|name'],
  run: async (argv, io) => {
    const args = parse('proxy', argv, LIST, { min: 1, max: 1, usage: proxy.usage });
    const format = formatOf(args);
    const [id = ''] = args.positionals;
    const client = clientFor(args, io);
    const path = `/v1/proxies/${encodeURIComponent(id)}`;
    const { body: status } = await client.request<ProxyItem>(path);
    const items: ResourceItem[] = [];
    for await (const item of client.pages<ResourceItem>(`${path}/resources`, 'resources')) items.push(item);
    const [first] = items;
    io.out(
      render(
        format,
        { proxy: status, resources: items },
        () =>
          [
            `${status.id}  service ${status.service}  ${stateWord(status.state)}  holds ${plural(status.holds, 'resource')}`,
            ...(status.lastError === undefined ? [] : [`last refusal: ${status.lastError}`]),
            table(
              items,
              [
                { title: 'RESOURCE', value: (item) => `${item.type}/${item.name}` },
                { title: 'STATE', value: (item) => stateWord(item.state) },
                { title: 'VERSION', value: (item) => item.version },
                { title: 'BYTES', value: (item) => item.bytes, number: true },
                {
                  title: 'SENT',
                  value: (item) => (item.sentAt === undefined ? undefined : ago(item.sentAt, io.now())),
                },
                {
                  title: 'ACKED',
                  value: (item) =>
                    item.ackedAt === undefined || item.sentAt === undefined
                      ? undefined
                      : `+${Math.max(0, Date.parse(item.ackedAt) - Date.parse(item.sentAt))} ms`,
                },
                { title: 'ERROR', value: (item) => item.error ?? '', wide: true },
              ],
              format,
            ),
            ...(first === undefined ? [] : [`next: tendril why ${status.id} ${first.type}/${first.name}`]),
          ].join('\n'),
        () => items.map((item) => `${item.type}/${item.name}`),
      ),
    );
    return 0;
  },
};
