/** What one turn asks shares a request; everything else keeps its order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS, type DeltaRequest, VHDS } from '../../src/proto/index.ts';
import { GatheredQuestions } from '../../src/sidecar-client/gathered-questions.ts';

const request = (typeUrl: string, parts: Partial<DeltaRequest>): DeltaRequest => ({
  typeUrl,
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map(),
  responseNonce: '',
  ...parts,
});

const show = ({ typeUrl, subscribe, unsubscribe, responseNonce }: DeltaRequest): string =>
  [typeUrl === CDS ? 'cds' : 'vhds', ...subscribe, ...unsubscribe.map((name) => `-${name}`), responseNonce]
    .join(' ')
    .trim();

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

test('questions of one turn are one request, those of the next another', async () => {
  const sent: string[] = [];
  const gathered = new GatheredQuestions((one) => sent.push(show(one)));
  for (const name of ['a', 'b', 'c']) gathered.add(request(VHDS, { subscribe: [name] }));
  assert.deepEqual(sent, []);
  await turn();
  gathered.add(request(VHDS, { subscribe: ['d'] }));
  await turn();
  assert.deepEqual(sent, ['vhds a b c', 'vhds d']);
});

test('a release, an acknowledgement and another type go behind what was asked before them', async () => {
  const sent: string[] = [];
  const gathered = new GatheredQuestions((one) => sent.push(show(one)));
  gathered.add(request(VHDS, { subscribe: ['a'] }));
  gathered.add(request(VHDS, { subscribe: ['b'] }));
  gathered.add(request(VHDS, { unsubscribe: ['a'] }));
  gathered.add(request(VHDS, { subscribe: ['a'] }));
  gathered.add(request(CDS, { subscribe: ['c'] }));
  gathered.add(request(VHDS, { responseNonce: '7' }));
  await turn();
  assert.deepEqual(sent, ['vhds a b', 'vhds -a', 'vhds a', 'cds c', 'vhds 7']);
});

test('a first message without names, which means everything, is not given any', async () => {
  const sent: string[] = [];
  const gathered = new GatheredQuestions((one) => sent.push(show(one)));
  gathered.add(request(VHDS, {}));
  gathered.add(request(VHDS, { subscribe: ['a'] }));
  await turn();
  assert.deepEqual(sent, ['vhds', 'vhds a']);
});

test('what a lost stream had not sent is not sent on the next one', async () => {
  const sent: string[] = [];
  const gathered = new GatheredQuestions((one) => sent.push(show(one)));
  gathered.add(request(VHDS, { subscribe: ['a'] }));
  gathered.drop();
  gathered.add(request(VHDS, { subscribe: ['b'] }));
  await turn();
  assert.deepEqual(sent, ['vhds b']);
});
