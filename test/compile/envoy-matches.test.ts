/** What a real Envoy makes of every kind of match: which requests a rule takes, and which it leaves to the next one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type HttpBackend, startHttpBackend } from '../support/backends.ts';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { CASES, type Case, type Request } from './match-cases.ts';
import { assertAccepted, startSidecar, type TestSidecar } from './sidecar.ts';
import { compileAll, endpoint, mesh, service } from './support.ts';

const show = ({ method = 'GET', path = '/', headers = {} }: Request): string =>
  [method, path, ...Object.entries(headers).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)].join(' ');

describe('matches in a real Envoy', { skip: requirePart('envoy') }, () => {
  const backends: HttpBackend[] = [];
  let sidecar: TestSidecar | undefined;

  before(async () => {
    backends.push(await startHttpBackend({ id: 'rule' }), await startHttpBackend({ id: 'spec' }));
    const endpoints = backends.map(({ id, port }) =>
      endpoint(id, { address: '127.0.0.1', ports: { 80: port }, labels: { version: id } }),
    );
    const subsets = `
kind: Upstream
metadata: {name: subsets, namespace: shop}
spec: {scope: {namespace: true}, subsets: {rule: {labels: {version: rule}}, spec: {labels: {version: spec}}}}
`;
    const route = ({ match }: Case, index: number): string => `
kind: Route
metadata: {name: c${index}, namespace: shop}
spec: {to: {spec: {}}, rules: {r: {match: ${match}, to: {rule: {}}}}}
`;
    const services = CASES.map((_, index) => service(`c${index}.shop`));
    const inputs = mesh({
      services,
      endpoints: Object.fromEntries(services.map(({ name }) => [name, endpoints])),
      yaml: [subsets, ...CASES.map(route)].join('---'),
    });
    sidecar = await startSidecar({ resources: compileAll(inputs) });
  });
  after(async () => {
    await sidecar?.stop();
    for (const backend of backends) await backend.close();
  });

  for (const [index, { match, takes, leaves }] of CASES.entries()) {
    test(match, async () => {
      const answered = async (request: Request): Promise<unknown> =>
        (await callHttp({ port: sidecar?.outbound ?? 0, authority: `c${index}`, ...request })).headers['x-backend'];
      for (const request of takes) assert.equal(await answered(request), 'rule', `takes ${show(request)}`);
      for (const request of leaves) assert.equal(await answered(request), 'spec', `leaves ${show(request)}`);
    });
  }

  test('all of it was accepted', async () => {
    assert.ok(sidecar !== undefined);
    await assertAccepted(sidecar);
  });
});
