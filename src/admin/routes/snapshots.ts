/**
 * `GET /v1/snapshot` and `GET /v1/log`: all of a mesh, and its log, as they can be put into another data directory.
 *
 * Both go out at the reader's pace, a piece at a time; a reader that takes nothing is cut off like one of a stream. What is cut off is
 * found by the reader: a snapshot has an end, a line of the log has one too.
 */
import type { ServerResponse } from 'node:http';
import { formatLogLine } from '../../model/index.ts';
import { type AnyRoute, integerParam, type RequestContext, route, wordParam } from '../route.ts';
import { writeEvents } from '../sse.ts';

const RECORDS = 256;

/** Ends the connection, not only the answer, when the reader did not get everything. */
const sendAll = async (
  { signal, limits }: RequestContext,
  response: ServerResponse,
  pieces: AsyncIterable<string | Uint8Array>,
): Promise<void> => {
  try {
    for await (const piece of pieces)
      if (!(await writeEvents(response, piece, signal, limits.stallMs))) throw new Error('the reader is gone');
  } catch (error) {
    response.destroy();
    throw error;
  }
};

const snapshot = route({
  method: 'GET',
  path: '/v1/snapshot',
  summary: 'State and log at the newest commit, for another data directory (`tendril snapshot import`).',
  query: { log: wordParam('`0`: without the log and the history that speaks of it.', ['0', '1']) },
  answers: {
    200: 'application/octet-stream; X-Tendril-Mesh, -Offset, -Hash, -Chain and -Fold-Version say what it is.',
    429: 'Two are being written already.',
    503: 'There is no complete state yet.',
    507: 'No room for the copy of the state that it is read from.',
  },
  stream: async (context, response) => {
    const { ports, query } = context;
    const open = await ports.snapshots.open({ withLog: query.log !== '0' });
    try {
      const { mesh, offset, hash, chain, foldVersion } = open.header;
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        'cache-control': 'no-store',
        'x-tendril-mesh': mesh,
        'x-tendril-offset': String(offset),
        'x-tendril-hash': hash,
        'x-tendril-chain': chain,
        'x-tendril-fold-version': String(foldVersion),
      });
      await sendAll(context, response, open.bytes);
    } finally {
      await open.close();
    }
  },
});

async function* linesOf({ ports, signal }: RequestContext, from: number, to: number): AsyncGenerator<string> {
  for await (const records of ports.events.read({ from, maxBatch: RECORDS })) {
    if (signal.aborted) return;
    yield records
      .filter(({ offset }) => offset <= to)
      .map((record) => `${formatLogLine(record)}\n`)
      .join('');
    if ((records.at(-1)?.offset ?? to) >= to) return;
  }
}

const offsetParam = (description: string) =>
  integerParam(description, { min: 1, max: Number.MAX_SAFE_INTEGER, default: undefined });

const log = route({
  method: 'GET',
  path: '/v1/log',
  summary: 'Records of the log as lines of JSON, as `tendril log import` takes them.',
  query: {
    from: offsetParam('First offset; default: the first one there is.'),
    to: offsetParam('Last offset; default: the last one there is now.'),
  },
  answers: {
    200: 'application/x-ndjson: `{offset, recordedAt, event}`; with `bytes` (base64) where these are not the event as JSON.',
    410: 'The offset is no longer in the log.',
  },
  stream: async (context, response) => {
    const { query, ports } = context;
    const { first, offset } = ports.events.head();
    const from = query.from ?? first;
    const to = Math.min(query.to ?? offset, offset);
    const lines = linesOf(context, from, to);
    // An offset that is gone is an answer, not a broken stream.
    const start = from > to ? undefined : await lines.next();
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    if (start === undefined || start.done === true) return;
    await sendAll(
      context,
      response,
      (async function* () {
        yield start.value;
        yield* lines;
      })(),
    );
  },
});

export const snapshotRoutes: readonly AnyRoute[] = [snapshot, log];
