/** `GET /status` of an agent (src/agent/status-server.ts). */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { serveStatus } from '../../src/agent/index.ts';

test('answers what is; only /status, only GET, only by a name of loopback; a port that is taken is said', async (t) => {
  let count = 0;
  const server = await serveStatus({ host: '127.0.0.1', port: 0 }, () => ({ count: ++count }));
  t.after(() => server.close());
  const ask = (path: string, method = 'GET', host = `127.0.0.1:${server.port}`): Promise<string> =>
    new Promise((done, fail) => {
      const sent = request({ host: '127.0.0.1', port: server.port, path, method, headers: { host } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => done(`${response.statusCode} ${text.trim()}`));
      });
      sent.on('error', fail);
      sent.end();
    });
  assert.equal(await ask('/status'), '200 {"count":1}');
  assert.equal(await ask('/status?x', 'GET', 'localhost'), '200 {"count":2}');
  assert.match(await ask('/'), /^404/);
  assert.match(await ask('/status', 'POST'), /^405/);
  assert.match(await ask('/status', 'GET', 'evil.example'), /^403/);
  await assert.rejects(
    serveStatus({ host: '127.0.0.1', port: server.port }, () => ({})),
    { code: 'AGENT_STATUS_PORT', message: /EADDRINUSE/ },
  );
});
