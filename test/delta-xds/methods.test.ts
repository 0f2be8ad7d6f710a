/** The methods of the xDS port are those of Envoy's own service definitions (checklist 58). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { XDS_METHODS } from '../../src/delta-xds/methods.ts';
import { repositoryRoot } from '../support/root.ts';

const FOLDER = join(repositoryRoot, 'node_modules/@grpc/grpc-js-xds/deps/envoy-api/envoy/service');
const KINDS = ['discovery', 'listener', 'route', 'cluster', 'endpoint', 'secret', 'extension', 'runtime'];
/** Also in those folders, and none of ours. */
const OTHERS = ['LocalityEndpointDiscoveryService'];

test('all streaming methods of the xDS services, each delta and SotW, VHDS delta alone', () => {
  const paths: string[] = [];
  for (const kind of KINDS)
    for (const file of readdirSync(join(FOLDER, kind, 'v3'))) {
      const text = readFileSync(join(FOLDER, kind, 'v3', file), 'utf8').replaceAll('\r', '');
      const scope = /^package (.+);$/m.exec(text)?.[1];
      for (const [, service = '', body = ''] of text.matchAll(/^service (\w+) \{\n([\s\S]*?)^\}/gm))
        for (const [, method] of body.matchAll(/rpc (\w+)\(stream /g))
          if (!OTHERS.includes(service)) paths.push(`/${scope}.${service}/${method}`);
    }
  assert.deepEqual(XDS_METHODS.map(({ path }) => path).sort(), paths.sort());
  for (const { path, protocol } of XDS_METHODS)
    assert.equal(protocol, /\/Delta\w+$/.test(path) ? 'delta' : 'sotw', path);
});
