/** `GET /v1/scrub`, `POST /v1/scrub`. */
import { TendrilError } from '../../model/index.ts';
import type { ScrubPort } from '../ports.ts';
import { type AnyRoute, flagParam, type RequestContext, route } from '../route.ts';

const portOf = ({ ports }: Pick<RequestContext, 'ports'>): ScrubPort => {
  if (ports.scrub !== undefined) return ports.scrub;
  throw new TendrilError('SCRUB_MISSING', 'this control plane has no scrub', {
    remedy: 'ask the core of `tendril serve`',
  });
};

const get = route({
  method: 'GET',
  path: '/v1/scrub',
  summary: 'The scrub: how far the pass is that runs, what the last one found, when the next one begins.',
  query: {},
  answers: { 200: '`{running, last, nextAt}`' },
  handle: ({ ports }) => ({ body: portOf({ ports }).status() }),
});

const post = route({
  method: 'POST',
  path: '/v1/scrub',
  summary: 'Begin a pass of the scrub now.',
  query: {
    heal: flagParam(
      'Instead: replace the core, so that a damaged state is made anew from the log; xDS goes on meanwhile.',
    ),
  },
  answers: {
    202: 'It runs; or the core is being replaced.',
    409: '`SCRUB_RUNNING`; `NOTHING_TO_HEAL`, also when the log is damaged too.',
  },
  handle: ({ ports, query }) => {
    const scrub = portOf({ ports });
    if (query.heal) scrub.heal();
    else scrub.start();
    return { status: 202, body: scrub.status() };
  },
});

export const scrubRoutes: readonly AnyRoute[] = [get, post];
