import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentEvent, Stored, Story, service, told } from './story.ts';

const key = (kind: string, name: string) => ({ kind, namespace: 'default', name });
const inNamespace = { scope: { namespace: true } };

test('a document is kept with author, place and reason, and shapes its scope', () => {
  const story = new Story();
  story.send('service.registered', service('cart'));
  story.fold.drain();
  const outcome = story.document(
    'Route',
    'cart',
    { timeout: '2s' },
    { source: 'ann', file: 'cart.yaml', line: 3, reason: 'slow' },
  );
  assert.deepEqual(outcome, { offset: 2, status: 'applied' });
  const policy = story.fold.policy('Route', 'default', 'cart');
  assert.deepEqual(
    [policy?.source, policy?.file, policy?.line, policy?.reason, policy?.offset],
    ['ann', 'cart.yaml', 3, 'slow', 2],
  );
  assert.equal(story.fold.compileInputs.route('cart.default', 8080).default.timeoutMs, 2000);
  assert.deepEqual([...story.fold.drain().inputs], ['doc:Route|svc:cart.default']);
});

test('effective documents follow every layer, and only changed scopes are touched', () => {
  const story = new Story();
  story.send('service.registered', service('cart'));
  const timeout = () => story.fold.compileInputs.route('cart.default', 8080).default.timeoutMs;
  const pending = () => story.fold.compileInputs.upstream('cart.default', 8080).base.limits.pending;
  assert.deepEqual([timeout(), pending()], [0, 4_294_967_295]);
  story.document('Route', 'all', { scope: { mesh: true }, timeout: '9s' });
  story.document('Upstream', 'all', { scope: { mesh: true }, limits: { pending: 9 } });
  assert.deepEqual([timeout(), pending()], [9000, 9]);
  story.document('Route', 'some', { ...inNamespace, timeout: '8s' });
  story.document('Upstream', 'some', { ...inNamespace, limits: { pending: 8 } });
  assert.deepEqual([timeout(), pending()], [8000, 8]);
  story.document('Route', 'cart', { timeout: '7s' });
  story.document('Upstream', 'cart', { limits: { pending: 7 } });
  assert.deepEqual([timeout(), pending()], [7000, 7]);
  story.document('Route', 'port', { scope: { service: 'cart', port: 8080 }, timeout: '6s' });
  assert.equal(timeout(), 6000);
  assert.deepEqual([...story.fold.drain().inputs].filter((input) => input.startsWith('doc:Route')).sort(), [
    'doc:Route|mesh',
    'doc:Route|ns:default',
    'doc:Route|svc:cart.default',
    'doc:Route|svc:cart.default:8080',
  ]);
  story.send('policy.deleted', key('Route', 'port'));
  story.send('policy.deleted', key('Route', 'cart'));
  assert.equal(timeout(), 8000);
  // Another scope: the old one is touched as well.
  story.fold.drain();
  story.document('Route', 'some', { scope: { service: 'other' }, timeout: '8s' });
  assert.equal(timeout(), 9000);
  assert.deepEqual([...story.fold.drain().inputs].sort(), ['doc:Route|ns:default', 'doc:Route|svc:other.default']);
});

test('the protocol of the port counts for the route', () => {
  const story = new Story();
  story.send('service.registered', service('cart', { ports: [{ port: 80, protocol: 'http' }] }));
  const idle = () => story.fold.compileInputs.route('cart.default', 80).default.idleTimeoutMs;
  assert.equal(idle(), 300_000);
  story.send('service.registered', service('cart', { ports: [{ port: 80, protocol: 'grpc' }] }));
  assert.equal(idle(), 0);
});

test('applying equal content changes the place in the log only', () => {
  const story = new Story();
  story.document('Route', 'cart', { timeout: '2s', rules: { a: { match: { method: 'GET' } } } });
  const before = story.fold.policy('Route', 'default', 'cart')?.document;
  story.fold.drain();
  story.document('Route', 'cart', { rules: { a: { match: { method: 'GET' } } }, timeout: '2s' });
  assert.equal(story.fold.policy('Route', 'default', 'cart')?.document, before);
  assert.equal(story.fold.subjectOffset('policy/Route/default/cart'), 2);
  assert.deepEqual([...story.fold.drain().inputs], []);
});

test('E201: the later document of a scope that sets the same field is rejected and names the earlier one', () => {
  const story = new Story();
  story.document('Route', 'cart', { timeout: '2s' });
  const late = story.document('Route', 'more', { scope: { service: 'cart' }, timeout: '3s' });
  assert.deepEqual([late.status, late.code], ['rejected', 'E201']);
  assert.match(late.message ?? '', /Route\/default\/cart/);
  assert.equal(late.findings?.[0]?.related?.[0]?.document, 'Route/default/cart');
  assert.equal(story.fold.policy('Route', 'default', 'more'), undefined);
  assert.equal(story.document('Route', 'more', { scope: { service: 'cart' }, idleTimeout: '3s' }).status, 'applied');
  // In a batch the order does not matter: the field changes hands.
  const swapped = story.batch(
    documentEvent('Route', 'more', { scope: { service: 'cart' }, timeout: '3s' }),
    documentEvent('Route', 'cart', { idleTimeout: '2s' }),
  );
  assert.deepEqual(
    swapped.map(({ status }) => status),
    ['applied', 'applied'],
  );
  // And of two new ones that conflict the second is to blame.
  const both = story.batch(
    documentEvent('Route', 'x', { scope: { service: 'shop' }, timeout: '3s' }),
    documentEvent('Route', 'y', { scope: { service: 'shop' }, timeout: '3s' }),
  );
  assert.deepEqual(
    both.map(({ code }) => code),
    ['batch', 'E201'],
  );
});

test('a batch is checked as a whole, in any order (E301)', () => {
  const story = new Story();
  const route = documentEvent('Route', 'cart', { to: { v1: {} } });
  const upstream = documentEvent('Upstream', 'cart', { subsets: { v1: { labels: { version: 'v1' } } } });
  const alone = story.apply(route)[0];
  assert.deepEqual([alone?.status, alone?.code], ['rejected', 'E301']);
  assert.deepEqual(
    story.batch(route, upstream).map(({ status }) => status),
    ['applied', 'applied'],
  );
  const used = story.send('policy.deleted', key('Upstream', 'cart'));
  assert.deepEqual([used.status, used.code], ['rejected', 'E301']);
  assert.match(used.message ?? '', /Route\/default\/cart/);
  assert.ok(story.fold.policy('Upstream', 'default', 'cart'));
  const gone = story.batch(
    told('policy.deleted', key('Upstream', 'cart')),
    told('policy.deleted', key('Route', 'cart')),
  );
  assert.deepEqual(
    gone.map(({ status }) => status),
    ['applied', 'applied'],
  );
});

test('patches are RFC 6902 on the stored document (E110)', () => {
  const story = new Story();
  const patch = (...operations: object[]) =>
    story.send('policy.patched', { ...key('Route', 'cart'), patch: operations });
  assert.equal(patch({ op: 'replace', path: '/spec/timeout', value: '1s' }).code, 'E110');
  story.document('Route', 'cart', { timeout: '2s' });
  assert.equal(patch({ op: 'replace', path: '/spec/timeout', value: '3s' }).status, 'applied');
  assert.equal(story.fold.compileInputs.route('cart.default', 80).default.timeoutMs, 3000);
  assert.equal(patch({ op: 'remove', path: '/spec/idleTimeout' }).code, 'E110');
  assert.equal(patch({ op: 'test', path: '/spec/timeout', value: '2s' }).code, 'E110');
  assert.equal(patch({ op: 'add', path: '/spec/tiemout', value: '2s' }).code, 'E101');
  assert.equal(patch({ op: 'replace', path: '/metadata/name', value: 'other' }).code, 'E110');
  assert.deepEqual(story.fold.policy('Route', 'default', 'cart')?.document, {
    apiVersion: 'tendril.dev/v1',
    kind: 'Route',
    metadata: { name: 'cart', namespace: 'default' },
    spec: { timeout: '3s' },
  });
});

test('documents with errors are rejected with their findings; kinds that are not compiled with E107', () => {
  const story = new Story();
  const wrong = story.document('Route', 'cart', { tiemout: '2s', timeout: 'soon' });
  assert.equal(wrong.status, 'rejected');
  assert.deepEqual(wrong.findings?.map(({ code }) => code).sort(), ['E101', 'E104']);
  assert.equal(story.document('Access', 'cart', { denyByDefault: true }).code, 'E107');
  assert.equal(story.document('Route', 'cart', { mirror: { v2: {} } }).code, 'E107');
  assert.deepEqual([...story.fold.policies()], []);
  assert.deepEqual([...story.fold.drain().entities], []);
});

test('warnings come with the outcome of what is applied', () => {
  const story = new Story();
  const early = story.document('Route', 'cart', { timeout: '1s' }, { source: 'ann' });
  assert.equal(early.status, 'applied');
  assert.deepEqual(
    early.findings?.map(({ code, severity }) => [code, severity]),
    [['W101', 'warning']],
  );
});

test('a refusal by a sidecar is shown with the document and gone with the next version', () => {
  const story = new Story();
  story.document('Route', 'cart', { timeout: '2s' });
  const refused = (node: string, message: string) =>
    story.send('policy.refused', {
      ...key('Route', 'cart'),
      offset: 1,
      author: 'local',
      node,
      typeUrl: 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
      resource: 'outbound/cart.default:80',
      version: 'abc',
      message,
    });
  refused('n1', 'first');
  refused('n2', 'second');
  refused('n1', 'third');
  assert.deepEqual(
    story.fold.policy('Route', 'default', 'cart')?.refusals?.map(({ node, message }) => [node, message]),
    [
      ['n1', 'third'],
      ['n2', 'second'],
    ],
  );
  assert.equal(story.fold.subjectOffset('policy/Route/default/cart'), 1);
  assert.deepEqual([...story.fold.drain().inputs], ['doc:Route|svc:cart.default']);
  for (let n = 0; n < 30; n += 1) refused(`node-${n}`, 'no');
  assert.equal(story.fold.policy('Route', 'default', 'cart')?.refusals?.length, 16);
  assert.deepEqual([...story.fold.drain().inputs], []);
  story.document('Route', 'cart', { timeout: '3s' });
  assert.equal(story.fold.policy('Route', 'default', 'cart')?.refusals, undefined);
});

test('subsets that routes of other services name are told to compile', () => {
  const story = new Story();
  story.send(
    'service.registered',
    service('cart', {
      ports: [
        { port: 80, protocol: 'http' },
        { port: 81, protocol: 'http' },
        { port: 90, protocol: 'tcp' },
      ],
    }),
  );
  story.document('Upstream', 'cart', { subsets: { v1: { labels: { v: '1' } }, v2: { labels: { v: '2' } } } });
  story.fold.drain();
  story.document('Route', 'shop', { to: { 'cart.default:80/v1': {}, 'cart.default/v2': {} } });
  assert.ok(story.fold.drain().inputs.has('svc:cart.default'));
  assert.deepEqual(story.fold.compileInputs.subsetsUsedElsewhere?.('cart.default'), [
    { port: 80, subset: 'v1' },
    { port: 80, subset: 'v2' },
    { port: 81, subset: 'v2' },
  ]);
  const stored = new Stored();
  stored.take(story.fold);
  story.send('policy.deleted', key('Route', 'shop'));
  assert.ok(story.fold.drain().inputs.has('svc:cart.default'));
  assert.deepEqual(story.fold.compileInputs.subsetsUsedElsewhere?.('cart.default'), []);
});

test('policies are listed by kind, in order', () => {
  const story = new Story();
  for (const name of ['b', 'a']) story.document('Route', name, { timeout: '2s' });
  story.document('Upstream', 'c', { limits: { pending: 1 } });
  const names = (kind?: string) => [...story.fold.policies(kind)].map((policy) => policy.name);
  assert.deepEqual([names(), names('Route'), names('Service')], [['a', 'b', 'c'], ['a', 'b'], []]);
});
