/**
 * An application that embeds the client, as a process of its own (goaway.test.ts): whoever started it sees by its messages that it goes
 * on. It asks for one host after the other, whatever becomes of the answers.
 */
import { createClient } from '../../src/sidecar-client/index.ts';

const [port = ''] = process.argv.slice(2);
const client = await createClient({
  addresses: [`127.0.0.1:${port}`],
  node: { service: 'app', namespace: 'shop', id: 'sidecar~1~app.shop' },
  backoff: { baseMs: 1, maxMs: 5 },
  timeoutMs: 200,
  log: () => undefined,
});
let asked = 0;
const asking = setInterval(() => {
  for (let at = 0; at < 5; at++)
    client
      .service(`svc-${asked++ % 500}.shop`)
      .ready()
      .catch(() => undefined);
  // The parent may just have closed the channel (EPIPE).
  process.send?.('alive', undefined, undefined, () => undefined);
}, 5);
process.once('disconnect', () => {
  clearInterval(asking);
  void client.close();
});
