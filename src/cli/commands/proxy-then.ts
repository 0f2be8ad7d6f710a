/** `tendril proxy ID --at WHEN`: what a sidecar was entitled to, and what it held then. */
import type { AdminClient } from '../client.ts';
import type { Io } from '../command.ts';
import type { Format } from '../format.ts';
import { bytes, type Column, plural, printable, render, table } from '../output.ts';
import { findSidecar, sidecarPath, stateWord } from './sidecar.ts';

interface ThenItem {
  readonly type: string;
  readonly name: string;
  readonly entitled: boolean;
  readonly version?: string;
  readonly bytes?: number;
  readonly held?: { readonly state: string; readonly version?: string; readonly error?: string };
}

interface Page {
  readonly at: { readonly offset: number; readonly time: string };
  readonly service: string;
  readonly heldKnown: boolean;
  readonly heldFrom?: string;
}

const heldWord = (known: boolean, { held }: ThenItem): string => {
  if (!known) return 'unknown';
  if (held === undefined) return 'no';
  return [stateWord(held.state), ...(held.version === undefined ? [] : [held.version])].join(' ');
};

const columns = (known: boolean): readonly Column<ThenItem>[] => [
  { title: 'RESOURCE', value: (item) => `${item.type}/${item.name}` },
  { title: 'ENTITLED TO', value: (item) => (item.entitled ? item.version : 'no') },
  { title: 'BYTES', value: (item) => (item.bytes === undefined ? undefined : bytes(item.bytes)), number: true },
  { title: 'HELD', value: (item) => heldWord(known, item) },
  { title: 'ERROR', value: ({ held }) => held?.error, wide: true },
];

const reach = ({ heldKnown, heldFrom }: Page): string => {
  if (heldKnown) return 'held: as the delivery ledger tells';
  return heldFrom === undefined
    ? 'held: the delivery ledger does not know this sidecar'
    : `held: unknown, the delivery ledger tells of this sidecar from ${heldFrom} on`;
};

export const proxyThen = async (
  client: AdminClient,
  word: string,
  at: string,
  format: Format,
  io: Pick<Io, 'out'>,
): Promise<number> => {
  const { id } = await findSidecar(client, word, at);
  const path = `${sidecarPath(id)}/resources`;
  const { body: page } = await client.request<Page>(path, { query: { at, limit: 1 } });
  // All pages of the moment that the first one was of, also where it was named as so long ago.
  const items = await client.all<ThenItem>(path, 'resources', { at: page.at.time });
  io.out(
    render(
      format,
      { proxy: id, ...page, resources: items },
      () =>
        [
          printable(`${id}  service ${page.service}  at offset ${page.at.offset}, ${page.at.time}`),
          table(items, columns(page.heldKnown), format),
          `${plural(items.filter(({ entitled }) => entitled).length, 'resource')} as today's compiler makes them of what was then; ${reach(page)}`,
        ].join('\n'),
      () => items.map((item) => `${item.type}/${item.name}`),
    ),
  );
  return 0;
};
