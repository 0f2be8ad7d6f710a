/**
 * `GET /v1/graph/stream`: the graph as a document, then patches of it (server-sent events).
 *
 * Invariants: 1. `id:` is the offset of the graph that the client has once it has applied the event. A client that comes back with
 * Last-Event-ID gets what changed since as a patch, or a snapshot that says why it is one. 2. Of a client only its document is kept; while
 * its socket takes nothing, nothing is read for it: what changed meanwhile is one patch. Without progress for `stallMs` it is ended, and told
 * the reason. 3. At most `MAX_EDGES` edges a stream and `MAX_ALL_EDGES` in all streams; beyond that it is refused, or ended with the reason.
 */
import type { ServerResponse } from 'node:http';
import { TendrilError } from '../../model/index.ts';
import { Changes } from '../changes.ts';
import { edgePage, type GraphDocument, graphDocument, graphPatch, momentOf } from '../graph/index.ts';
import type { AdminPorts } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, type RequestContext, route } from '../route.ts';
import { beginStream, HEARTBEAT_MS, lastEventId, writeEvents } from '../sse.ts';
import { checkFocus, focusParams } from './graph.ts';

const MAX_EDGES = 20_000;
const MAX_ALL_EDGES = 200_000;
/** Changes within so many ms are one patch. */
const GATHER_MS = 200;

interface Wanted {
  readonly focus?: string;
  readonly depth?: number;
}

interface Stand {
  readonly offset: number;
  /** More than `MAX_EDGES`: there is no document of them. */
  readonly edges: number;
  readonly document: GraphDocument;
}

/** Streams that want the same, and are woken by the same change, share a stand so long. */
const SHARED_MS = 1_000;

const tooLarge = (): TendrilError =>
  refusal('GRAPH_TOO_LARGE', `there are more than ${MAX_EDGES} edges; a stream has at most so many`, {
    remedy: 'name a service with focus=, or a smaller depth=',
  });

const allTooMany = (): TendrilError =>
  new TendrilError('STREAMS_FULL', `the streams of the graph have more than ${MAX_ALL_EDGES} edges together`, {
    remedy: 'name a service with focus=, or try again later',
  });

const readStand = (ports: AdminPorts, wanted: Wanted, offset: number): Stand => {
  const most = wanted.focus === undefined ? { limit: MAX_EDGES + 1 } : { atMost: MAX_EDGES };
  try {
    const edges = ports.graph.edges({ ...wanted, ...most, now: Date.now(), asLogged: true });
    return { offset, edges: edges.length, document: graphDocument(edges.length > MAX_EDGES ? [] : edges) };
  } catch (error) {
    if (!(error instanceof TendrilError) || error.code !== 'GRAPH_TOO_LARGE') throw error;
    return { offset, edges: MAX_EDGES + 1, document: graphDocument([]) };
  }
};

/** Stands of the last second by what is wanted: at most one for each open stream. */
const shared = new WeakMap<AdminPorts, Map<string, Stand>>();

/** The graph of now, of one offset. */
const standOf = (ports: AdminPorts, wanted: Wanted): Promise<Stand> =>
  new Promise((resolve, reject) => {
    ports.graphChanges.atRest((offset) => {
      const stands = shared.get(ports) ?? new Map<string, Stand>();
      shared.set(ports, stands);
      const name = `${wanted.focus ?? ''}|${wanted.depth ?? ''}`;
      const known = stands.get(name);
      if (known?.offset === offset) {
        resolve(known);
        return;
      }
      try {
        const stand = readStand(ports, wanted, offset);
        stands.set(name, stand);
        setTimeout(() => stands.get(name) === stand && stands.delete(name), SHARED_MS).unref();
        resolve(stand);
      } catch (error) {
        reject(error);
      }
    });
  });

/** What the client has, by its Last-Event-ID; a text says why that cannot be told. */
const documentAt = async (
  ports: AdminPorts,
  wanted: Wanted,
  offset: number,
  head: number,
): Promise<GraphDocument | string> => {
  if (offset > head) return `offset ${offset} is not in this log, which ends at ${head}`;
  try {
    const { edges, next } = await edgePage(await momentOf(ports, { offset }), wanted, MAX_EDGES);
    return next === undefined ? graphDocument(edges) : `the graph at offset ${offset} had more than ${MAX_EDGES} edges`;
  } catch (error) {
    if (error instanceof TendrilError) return error.message;
    throw error;
  }
};

const event = (name: string, id: number, data: unknown): string =>
  `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const run = async (context: RequestContext<typeof focusParams>, response: ServerResponse): Promise<void> => {
  const { ports, query, headers, signal, limits, logger } = context;
  const { counters } = ports.graphChanges;
  checkFocus(query);
  const wanted: Wanted = {
    ...(query.focus === undefined ? {} : { focus: query.focus }),
    ...(query.depth === undefined ? {} : { depth: query.depth }),
  };
  const resumed = lastEventId(headers['last-event-id']);
  const changes = new Changes();
  const end = ports.graphChanges.onGraphChange(() => changes.note());
  let held = 0;
  /** What is wrong with a stand of so many edges: with the stream's own, or with all of them. */
  const hold = (edges: number): TendrilError | undefined => {
    counters.edges += edges - held;
    held = edges;
    const problem = edges > MAX_EDGES ? tooLarge() : counters.edges > MAX_ALL_EDGES ? allTooMany() : undefined;
    if (problem !== undefined) counters.refused++;
    return problem;
  };
  try {
    if (counters.edges >= MAX_ALL_EDGES) {
      counters.refused++;
      throw allTooMany();
    }
    let stand = await standOf(ports, wanted);
    const refused = hold(stand.edges);
    if (refused !== undefined) throw refused;
    let { document } = stand;
    const before = resumed === undefined ? undefined : await documentAt(ports, wanted, resumed, stand.offset);
    beginStream(response);
    const send = (text: string): Promise<boolean> => writeEvents(response, text, signal, limits.stallMs);
    let taken: boolean;
    if (typeof before === 'object') {
      const patch = graphPatch(before, document);
      if (patch.length > 0) counters.patches++;
      taken = await send(
        patch.length === 0 ? `id: ${stand.offset}\n: nothing changed\n\n` : event('patch', stand.offset, patch),
      );
    } else {
      counters.snapshots++;
      taken = await send(
        event('snapshot', stand.offset, { ...(before === undefined ? {} : { reason: before }), ...document }),
      );
    }
    while (taken && !signal.aborted) {
      await changes.next(HEARTBEAT_MS, signal);
      await pause(GATHER_MS);
      if (signal.aborted) return;
      stand = await standOf(ports, wanted);
      const problem = hold(stand.edges);
      if (problem !== undefined) {
        response.write(event('end', stand.offset, { reason: problem.message }));
        return;
      }
      const next = stand.document;
      const patch = graphPatch(document, next);
      document = next;
      if (patch.length > 0) counters.patches++;
      // A graph that is the same moves the resume point all the same.
      taken = await send(
        patch.length === 0 ? `id: ${stand.offset}\n: still here\n\n` : event('patch', stand.offset, patch),
      );
    }
    if (signal.aborted) return;
    counters.slow++;
    logger.warn(
      { request: context.requestId, offset: stand.offset },
      'a graph stream took nothing for too long and was ended',
    );
    if (!response.destroyed)
      response.write(event('end', stand.offset, { reason: `nothing was taken for ${limits.stallMs} ms` }));
  } finally {
    end();
    counters.edges -= held;
  }
};

const stream = route({
  method: 'GET',
  path: '/v1/graph/stream',
  summary: 'The graph as a snapshot, then RFC 6902 patches of it (server-sent events; Last-Event-ID resumes).',
  query: focusParams,
  answers: { 200: 'text/event-stream: `snapshot`, `patch`, `end`.', 413: 'Too many edges.', 503: 'Too many streams.' },
  stream: run,
});

export const graphStreamRoutes: readonly AnyRoute[] = [stream];
