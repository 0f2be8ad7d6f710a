/** Section 11 of policies.md: Bookinfo in these documents, from YAML to normal form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  crossErrors,
  effective,
  type LayeredKind,
  type PolicyDocument,
  resolveRoute,
  resolveUpstream,
  scopeChain,
  scopeKeyOf,
} from '../../src/model/index.ts';
import { applied, fromYaml, layer, meshOf } from './support.ts';

const ALL_V1 = `kind: Upstream
metadata: {name: versions}
spec: {scope: {namespace: true}, subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}}, v3: {labels: {version: v3}}}}
---
kind: Route
metadata: {name: all-v1}
spec: {scope: {namespace: true}, to: {v1: {}}}`;

const REVIEWS = `kind: Route
metadata: {name: reviews}
spec:
  to: {v1: {weight: 80}, v2: {weight: 20}}
  rules: {jason: {match: {headers: {end-user: jason}}, to: {v2: {}}}}`;

const RATINGS = `kind: Route
metadata: {name: ratings}
spec:
  rules: {jason: {match: {headers: {end-user: jason}}, fault: {delay: {percent: 100, time: 7s}}}}`;

const layersOf = (documents: readonly PolicyDocument[], kind: LayeredKind, service: string) => {
  const chain = scopeChain(service, 9080);
  return documents.filter((made) => made.kind === kind && chain.includes(scopeKeyOf(made))).map(layer);
};
const routeOf = (documents: readonly PolicyDocument[], service: string) =>
  resolveRoute(effective('Route', layersOf(documents, 'Route', service)), { service, port: 9080, protocol: 'http' });
const targetsOf = (
  rule: { readonly targets: readonly { readonly key: string; readonly weight: number }[] } | undefined,
) => Object.fromEntries(rule?.targets.map(({ key, weight }) => [key, weight]) ?? []);

test('1. all traffic to v1: two defaults for the namespace serve every service', () => {
  const documents = fromYaml(ALL_V1);
  assert.deepEqual(crossErrors(applied(...documents), meshOf({ documents })), []);
  for (const service of ['productpage', 'details', 'reviews', 'ratings']) {
    const route = routeOf(documents, `${service}.default`);
    assert.deepEqual(targetsOf(route.default), { v1: 1 });
    assert.equal(route.default.document, 'Route/default/all-v1');
    const { subsets } = resolveUpstream(effective('Upstream', layersOf(documents, 'Upstream', `${service}.default`)));
    assert.deepEqual(
      subsets.map(({ name }) => name),
      ['v1', 'v2', 'v3'],
    );
  }
  assert.deepEqual(
    targetsOf(routeOf(documents, 'reviews.shop').default),
    { '*': 1 },
    'another namespace is left alone',
  );
});

test('2. reviews 80/20, and jason to v2: one document over the namespace default', () => {
  const documents = [...fromYaml(ALL_V1), ...fromYaml(REVIEWS)];
  assert.deepEqual(crossErrors(applied(...documents), meshOf({ documents })), []);
  const route = routeOf(documents, 'reviews.default');
  assert.deepEqual(targetsOf(route.default), { v1: 80, v2: 20 });
  assert.deepEqual(
    route.rules.map(({ name }) => name),
    ['jason'],
  );
  assert.deepEqual(route.rules[0]?.match.headers, [
    { name: 'end-user', match: { kind: 'exact', value: 'jason', ignoreCase: false, not: false } },
  ]);
  assert.deepEqual(targetsOf(route.rules[0]), { v2: 1 });
  assert.deepEqual(targetsOf(routeOf(documents, 'details.default').default), { v1: 1 });
});

test('3. ratings, jason delayed: the rule inherits its target from the namespace, why shows both documents', () => {
  const documents = [...fromYaml(ALL_V1), ...fromYaml(RATINGS, true)];
  const route = routeOf(documents, 'ratings.default');
  const [jason] = route.rules;
  assert.deepEqual(targetsOf(jason), { v1: 1 });
  assert.equal(jason?.provenance.get('/spec/to')?.document, 'Route/default/all-v1');
  assert.equal(jason?.provenance.get('/spec/match')?.document, 'Route/default/ratings');
  assert.deepEqual(route.documents, ['Route/default/all-v1', 'Route/default/ratings']);
  const shown = effective('Route', layersOf(documents, 'Route', 'ratings.default'), { compiledOnly: false });
  assert.deepEqual(shown.variants.get('jason')?.value.fault, { delay: { percent: 100, time: '7s' } });
});
