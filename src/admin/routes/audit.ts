/** `GET /v1/audit`. */
import { TendrilError } from '../../model/index.ts';
import { MAX_PAGE, nextField } from '../paging.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, flagParam, integerParam, route, textParam } from '../route.ts';

const timeOf = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const time = /^[0-9]{12,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(time)) return time;
  throw refusal('E102', `since is "${text.slice(0, 80)}"; allowed is a time (RFC 3339), or ms since the epoch`, {
    pointer: '?since',
  });
};

const list = route({
  method: 'GET',
  path: '/v1/audit',
  summary: 'Writes and refused writes, oldest first: who, from where, when, what, why.',
  query: {
    from: integerParam('Number of the first entry; without it: the last entries that fit.', {
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      default: undefined,
    }),
    who: textParam('Only this caller or source.'),
    code: textParam('Only refusals with this code.'),
    refused: flagParam('Only refused writes.'),
    since: textParam('Only entries from this time on: RFC 3339, or ms since the epoch.'),
    limit: integerParam('Rows of one page.', { min: 1, max: MAX_PAGE, default: 100 }),
    next: integerParam('`next` of the page before.', { min: 1, max: Number.MAX_SAFE_INTEGER, default: undefined }),
  },
  answers: { 200: 'A page; `complete: false`: more was there to read than one look reads.' },
  handle: async ({ query, ports }) => {
    if (ports.audit === undefined)
      throw new TendrilError('AUDIT_MISSING', 'this control plane keeps no audit', {
        remedy: 'ask the core of `tendril serve`',
      });
    const { next, from, since, ...rest } = query;
    const page = await ports.audit.page({ ...rest, from: next ?? from, since: timeOf(since) });
    return { body: { entries: page.entries, complete: page.complete, ...nextField(page.next) } };
  },
});

export const auditRoutes: readonly AnyRoute[] = [list];
