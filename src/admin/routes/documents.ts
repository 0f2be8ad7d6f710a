/** Policy documents: `POST /v1/docs:apply`, `/v1/docs`, `/v1/docs/{kind}/{ns}/{name}`. */
import { isKind, KINDS, type Kind } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import { nextField, pageOf, pageParams } from '../paging.ts';
import type { AdminPorts, DocumentRef, DocumentSet, DocumentView } from '../ports.ts';
import { preconditionOf } from '../preconditions.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, type RequestContext, route, textParam } from '../route.ts';
import { atField, atParam, stateMoment } from '../state-moment.ts';
import { writeAnswer } from '../write-answer.ts';
import {
  keyOf,
  kindOf,
  optionsOf,
  refOf,
  storedOf,
  unknownDocument,
  writeAnswers,
  writeParams,
} from './document-parts.ts';

/** YAML is slow to parse, so less of it is taken at a time than of JSON. */
const MAX_YAML_BYTES = 4 * 1024 * 1024;

const setOf = (
  body: RequestContext['body'],
  ports: AdminPorts,
  options: { readonly file?: string },
): Promise<DocumentSet> => {
  const text = textOf(body?.bytes ?? Buffer.alloc(0));
  if (body?.kind === 'json') return ports.documents.ofJson(parseJson(text), options);
  if (text.length > MAX_YAML_BYTES)
    throw refusal('BODY_TOO_LARGE', `the YAML has ${text.length} characters, ${MAX_YAML_BYTES} are allowed`, {
      remedy: 'send it in several requests, or as JSON',
    });
  return ports.documents.ofText(text, options);
};

const requireStored = (ports: AdminPorts, ref: DocumentRef): DocumentView => {
  const stored = storedOf(ports, ref);
  if (stored === undefined) throw unknownDocument(ref);
  return stored;
};

const rowOf = (stored: DocumentView) => ({
  kind: stored.kind,
  namespace: stored.namespace,
  name: stored.name,
  offset: stored.offset,
  source: stored.source,
  recordedAt: new Date(stored.recordedAt).toISOString(),
  ...(stored.reason === undefined ? {} : { reason: stored.reason }),
  ...(stored.file === undefined ? {} : { file: stored.file }),
  ...(stored.line === undefined ? {} : { line: stored.line }),
  document: stored.document,
});

const apply = route({
  method: 'POST',
  path: '/v1/docs:apply',
  summary: 'Apply many documents as one batch.',
  query: {
    ...writeParams,
    prune: textParam('`label` or `label=value`: delete documents of this caller that carry it and are not in the set.'),
    file: textParam('Name of the file, for findings and `why`.'),
  },
  body: { kinds: ['yaml', 'json'], description: 'YAML documents; or JSON: one, a list, or `{"documents":[…]}`.' },
  answers: { ...writeAnswers, 413: 'Too large, or too many documents.' },
  handle: async ({ body, caller, ports, query, requestId }) => {
    const { file, prune } = query;
    const set = await setOf(body, ports, file === undefined ? {} : { file });
    const answer = await ports.documents.apply(set, {
      ...optionsOf(caller, query),
      ...(prune === undefined ? {} : { prune }),
    });
    return writeAnswer(answer, { request: requestId });
  },
});

const list = route({
  method: 'GET',
  path: '/v1/docs',
  summary: 'Documents, by kind and namespace.',
  query: {
    ...pageParams,
    kind: textParam('Only this kind.'),
    namespace: textParam('Only this namespace.'),
    source: textParam('Only documents of this source.'),
    at: atParam,
  },
  answers: { 200: 'A page.', 410: 'What was then can no longer be told.' },
  handle: async ({ ports, query }) => {
    const kind = query.kind === undefined ? undefined : kindOf(query.kind);
    const moment = await stateMoment(ports, query.at);
    const page = await moment.read((state) => pageOf(matching(state.policies(kind, query.next), query), keyOf, query));
    return { body: { ...atField(moment), docs: page.rows.map(rowOf), ...nextField(page.next) }, etag: moment.offset };
  },
});

function* matching(
  documents: Iterable<DocumentView>,
  { namespace, source }: { readonly namespace: string | undefined; readonly source: string | undefined },
): Iterable<DocumentView> {
  for (const entry of documents)
    if ((namespace === undefined || entry.namespace === namespace) && (source === undefined || entry.source === source))
      yield entry;
}

const get = route({
  method: 'GET',
  path: '/v1/docs/{kind}/{namespace}/{name}',
  summary: 'One document.',
  query: { at: atParam },
  versioned: true,
  answers: { 200: 'The document; ETag is its offset.', 404: 'There is none.', 410: 'It can no longer be told.' },
  handle: async ({ path, ports, query }) => {
    const ref = refOf(path);
    const moment = await stateMoment(ports, query.at);
    const stored = await moment.read((state) => state.policy(ref.kind, ref.namespace, ref.name));
    if (stored === undefined) throw unknownDocument(ref);
    return { body: { ...atField(moment), ...rowOf(stored) }, etag: stored.offset };
  },
});

const put = route({
  method: 'PUT',
  path: '/v1/docs/{kind}/{namespace}/{name}',
  summary: 'Apply one document.',
  query: writeParams,
  versioned: true,
  body: { kinds: ['json', 'yaml'], description: 'The document.' },
  answers: { ...writeAnswers, 412: 'Changed in the meantime (If-Match).' },
  handle: async ({ body, caller, headers, path, ports, query, requestId }) => {
    const ref = refOf(path);
    const { expect, conditional } = preconditionOf(headers, storedOf(ports, ref)?.offset);
    const set = await setOf(body, ports, {});
    const answer = await ports.documents.put(ref, set, {
      ...optionsOf(caller, query),
      ...(expect === undefined ? {} : { expect }),
    });
    return writeAnswer(answer, { request: requestId, conditional });
  },
});

const remove = route({
  method: 'DELETE',
  path: '/v1/docs/{kind}/{namespace}/{name}',
  summary: 'Delete one document.',
  query: writeParams,
  versioned: true,
  answers: { ...writeAnswers, 404: 'There is none.', 412: 'Changed in the meantime (If-Match).' },
  handle: async ({ caller, headers, path, ports, query, requestId }) => {
    const ref = refOf(path);
    const stored = requireStored(ports, ref);
    const { expect, conditional } = preconditionOf(headers, stored.offset);
    const answer = await ports.documents.delete(ref, {
      ...optionsOf(caller, query),
      ...(expect === undefined ? {} : { expect }),
    });
    return writeAnswer(answer, { request: requestId, conditional });
  },
});

const patch = route({
  method: 'PATCH',
  path: '/v1/docs/{kind}/{namespace}/{name}',
  summary: 'Patch one document (RFC 6902).',
  query: writeParams,
  versioned: true,
  body: { kinds: ['json-patch', 'json'], description: 'A list of operations.' },
  answers: { ...writeAnswers, 404: 'There is none.', 412: 'Changed in the meantime (If-Match).' },
  handle: async ({ body, caller, headers, path, ports, query, requestId }) => {
    const ref = refOf(path);
    const stored = requireStored(ports, ref);
    const { expect, conditional } = preconditionOf(headers, stored.offset);
    const operations = parseJson(textOf(body?.bytes ?? Buffer.alloc(0)));
    if (!Array.isArray(operations))
      throw refusal('E102', 'the body is not a list of operations', {
        pointer: '',
        remedy: 'send [{"op":"replace","path":"/spec/timeout","value":"2s"}]',
      });
    const answer = await ports.documents.patch(ref, operations, {
      ...optionsOf(caller, query),
      ...(expect === undefined ? {} : { expect }),
    });
    return writeAnswer(answer, { request: requestId, conditional });
  },
});

export const documentRoutes: readonly AnyRoute[] = [apply, list, get, put, remove, patch];

/** Used by the schema routes too. */
export const knownKind = (text: string): Kind | undefined =>
  isKind(text) ? text : KINDS.find((kind) => kind.toLowerCase() === text.toLowerCase());
