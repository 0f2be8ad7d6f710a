/** The examples of docs/api.md and docs/events.md, run as they stand. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { call, service, startCore } from './core.ts';

const findRoot = (from: string): string => (existsSync(join(from, 'package.json')) ? from : findRoot(dirname(from)));
const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const read = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');

/** Words of a shell line: single and double quotes, as far as the examples use them. */
const words = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

interface Example {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly expected: string;
}

const exampleOf = (command: string): Example => {
  const hash = command.lastIndexOf('# ');
  const list = words(command.slice(0, hash));
  const headers: Record<string, string> = {};
  let method: string | undefined;
  let path = '';
  let body: string | undefined;
  for (let at = 1; at < list.length; at++) {
    const word = list[at] ?? '';
    const next = list[at + 1] ?? '';
    if (word === '-X') method = next;
    else if (word === '-H') headers[next.split(':')[0] ?? ''] = next.slice(next.indexOf(':') + 1).trim();
    else if (word === '-d' || word === '--data-binary') body = next;
    else if (word.startsWith('$T')) {
      path = word.slice(2);
      continue;
    } else continue;
    at++;
  }
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    path,
    headers,
    body,
    expected: command.slice(hash + 2).trim(),
  };
};

test('docs/api.md: every curl example answers as it says', async (t) => {
  const core = await startCore(t);
  const commands = [...read('api.md').matchAll(/^curl [\s\S]*?# (?:[0-9]{3}|stream)$/gm)].map((match) => match[0]);
  assert.ok(commands.length >= 25, `${commands.length} examples found`);
  core.proxies.set('web-1', {
    proxy: { id: 'web-1', service: 'web.shop', state: 'in-sync', holds: 1 },
    resources: [{ type: 'cds', name: 'cart.shop:7070', state: 'acked' }],
  });
  for (const command of commands) {
    const { method, path, headers, body, expected } = exampleOf(command);
    if (expected === 'stream') {
      const leave = new AbortController();
      const response = await fetch(`${core.url}${path}`, { signal: leave.signal });
      assert.match(response.headers.get('content-type') ?? '', /event-stream/);
      leave.abort();
      continue;
    }
    const reply = await call(core, method, path, body, headers);
    assert.equal(reply.status, Number(expected), `${command}\n${reply.text}`);
  }
});

test('docs/events.md: every example is taken and applied', async (t) => {
  const core = await startCore(t);
  const examples = [...read('events.md').matchAll(/```json\n([\s\S]*?)```/g)].map((match) =>
    JSON.parse(match[1] ?? ''),
  );
  assert.ok(examples.length >= 12, `${examples.length} examples found`);
  await call(core, 'POST', '/v1/events', { events: [service('web'), service('bank')] });
  for (const event of examples) {
    const reply = await call(core, 'POST', '/v1/events', { events: [event] });
    assert.equal(reply.status, 200, `${JSON.stringify(event)}\n${reply.text}`);
  }
});

test('docs/api.md names every code that has a status', () => {
  const source = readFileSync(join(root, 'src/admin/problem.ts'), 'utf8');
  const codes = [...source.matchAll(/^ {2}([A-Z_]+): [0-9]{3},$/gm)].map((match) => match[1] ?? '');
  assert.ok(codes.length > 20);
  const text = read('api.md');
  assert.deepEqual(
    codes.filter((code) => !text.includes(`\`${code}\``)),
    [],
  );
});
