/**
 * The authors of the fault tests, in a process that nobody kills: `writers-child API ACKED SEED WRITERS`. Each of the writers sends
 * batches to a server one after the other, again and again until one is acknowledged, as a good client does; every event of it then
 * gets a line `<offset> <id>` in the file ACKED, before the next is sent. Ends when it is told to, or its parent is gone.
 */
import { appendFileSync } from 'node:fs';
import { seeded } from '../store/support.ts';

const [api = '', acked = '', seed = '0', writers = '16'] = process.argv.slice(2);
const RETRY_MS = 20;
const SERVICES = 24;
const random = seeded(Number(seed));
let going = true;
let refused = 0;

const below = (count: number): number => Math.floor(random() * count);

const some = (id: string): object => {
  const what = random();
  const service = `svc-${below(SERVICES)}`;
  const head = { id, source: 'writers' };
  if (what < 0.15)
    return {
      ...head,
      type: 'service.registered',
      data: { namespace: 'shop', name: service, ports: [{ port: 80, protocol: 'http' }], labels: { n: id } },
    };
  if (what < 0.2)
    return {
      ...head,
      type: 'dependency.declared',
      data: { from: `${service}.shop`, to: `svc-${below(SERVICES)}.shop` },
    };
  const endpoint = { namespace: 'shop', service, id: `${service}-${below(6)}` };
  if (what < 0.6)
    return { ...head, type: 'endpoint.registered', data: { ...endpoint, address: `10.0.${below(250)}.${below(250)}` } };
  if (what < 0.95)
    return {
      ...head,
      type: 'endpoint.health-changed',
      data: { ...endpoint, health: random() < 0.5 ? 'healthy' : 'unhealthy' },
    };
  return { ...head, type: 'endpoint.deregistered', data: endpoint };
};

/** Offsets of the events once they are durable; undefined: nobody can tell. */
const send = async (body: string): Promise<readonly number[] | undefined> => {
  try {
    const response = await fetch(`${api}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const answer = (await response.json()) as {
      readonly offsets?: readonly number[];
      readonly events?: readonly { readonly offset: number; readonly duplicateOf?: number }[];
    };
    if (response.status !== 200 && response.status !== 202 && response.status !== 409) refused++;
    // Sent twice because nobody answered the first time: the first one counts.
    return answer.events?.map(({ offset, duplicateOf }) => duplicateOf ?? offset) ?? answer.offsets;
  } catch {
    return undefined;
  }
};

const write = async (writer: number): Promise<void> => {
  for (let n = 0; going; n++) {
    const ids = Array.from({ length: 1 + below(4) }, (_, index) => `${seed}-${writer}-${n}/${index}`);
    const body = JSON.stringify({ events: ids.map(some) });
    let offsets = await send(body);
    while (offsets === undefined && going) {
      await new Promise((next) => setTimeout(next, RETRY_MS));
      offsets = await send(body);
    }
    if (offsets !== undefined)
      appendFileSync(acked, offsets.map((offset, index) => `${offset} ${ids[index]}\n`).join(''));
  }
};

process.on('message', () => {
  going = false;
});
process.on('disconnect', () => process.exit(0));
process.send?.('writing');
await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer)));
process.send?.({ refused });
process.disconnect();
