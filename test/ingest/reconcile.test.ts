/** Reconcile: the difference and nothing else, against a plain slow version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KnownDocument, type ObservedDocument, reconcile } from '../../src/ingest/reconcile.ts';

const KINDS = ['Service', 'Upstream', 'Route', 'Dependency'];

const documentArb = fc.record({
  kind: fc.constantFrom(...KINDS),
  namespace: fc.constantFrom('a', 'b'),
  name: fc.constantFrom('x', 'y', 'z'),
  file: fc.constantFrom('one.yaml', 'two.yaml'),
  value: fc.integer({ min: 0, max: 2 }),
});

const keyOf = ({ kind, namespace, name }: { kind: string; namespace: string; name: string }) =>
  `${kind}/${namespace}/${name}`;

const asDocument = ({
  kind,
  namespace,
  name,
  file,
  value,
}: {
  kind: string;
  namespace: string;
  name: string;
  file: string;
  value: number;
}): ObservedDocument => ({
  kind,
  namespace,
  name,
  file,
  // Keys in an order that depends on the value: equal meaning must not depend on it.
  document: value % 2 === 0 ? { kind, spec: { value } } : { spec: { value }, kind },
});

const setArb = fc.uniqueArray(documentArb, { selector: keyOf, maxLength: 12 }).map((list) => list.map(asDocument));

/** What a source holds after the events. */
const apply = (known: readonly KnownDocument[], events: ReturnType<typeof reconcile>): Map<string, KnownDocument> => {
  const state = new Map(known.map((entry) => [keyOf(entry), entry]));
  for (const event of events) {
    if (event.type === 'policy.deleted') state.delete(event.document);
    else {
      const [kind = '', namespace = '', name = ''] = event.document.split('/');
      const data = event.data as { document: Record<string, unknown>; file: string };
      state.set(event.document, { kind, namespace, name, document: data.document, file: data.file });
    }
  }
  return state;
};

test('after the events the source holds exactly what it sees', () => {
  fc.assert(
    fc.property(setArb, setArb, (observed, known) => {
      const after = apply(known, reconcile(observed, known));
      assert.deepEqual(
        [...after.values()].map((entry) => ({ ...entry })).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
        observed.map((entry) => ({ ...entry })).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
      );
    }),
  );
});

test('no event too many: one per document that differs', () => {
  fc.assert(
    fc.property(setArb, setArb, (observed, known) => {
      const before = new Map(
        known.map((entry) => [
          keyOf(entry),
          JSON.stringify([entry.file, (entry.document.spec as { value: number }).value]),
        ]),
      );
      const now = new Map(
        observed.map((entry) => [
          keyOf(entry),
          JSON.stringify([entry.file, (entry.document.spec as { value: number }).value]),
        ]),
      );
      const different = [...new Set([...before.keys(), ...now.keys()])].filter(
        (key) => before.get(key) !== now.get(key),
      );
      const events = reconcile(observed, known);
      assert.deepEqual(events.map(({ document }) => document).sort(), different.sort());
      assert.deepEqual(reconcile(observed, observed), []);
    }),
  );
});

test('what is referred to comes first, and goes last', () => {
  fc.assert(
    fc.property(setArb, setArb, (observed, known) => {
      const events = reconcile(observed, known);
      const rank = ({ document, type }: { document: string; type: string }) => {
        const at = ['Service', 'Upstream'].indexOf(document.split('/')[0] ?? '');
        const kind = at < 0 ? 2 : at;
        return type === 'policy.deleted' ? 10 - kind : kind;
      };
      const ranks = events.map(rank);
      assert.deepEqual(
        ranks,
        [...ranks].sort((a, b) => a - b),
      );
    }),
  );
});
