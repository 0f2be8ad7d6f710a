/**
 * Core of the kill test: `kill-child DIR SEED` appends events from four writers at once, waits for each to be in the state, and
 * reports it on stdout, synchronously, as `<last offset> <epoch>`.
 */
import { writeSync } from 'node:fs';
import { openEventLog } from '../../src/log/index.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { changeEvents, MESH, observed, randomFrom, registered, route } from './mesh-events.ts';

const [dir = '', seed = '0'] = process.argv.slice(2);
const random = randomFrom(Number(seed));
const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
const projector = await Projector.open({ dir, log, mesh: MESH, clock: Date });
const change = changeEvents({ services: 12, endpoints: 5 }, random);
let count = 0;

const some = (): EventEnvelope => {
  const what = random();
  const name = `svc-${Math.floor(random() * 12)}`;
  const made =
    what < 0.1
      ? registered(name, { labels: { n: String(count) } })
      : what < 0.15
        ? route(name, { timeout: `${1 + Math.floor(random() * 30)}s` })
        : what < 0.2
          ? observed(`${name}.shop`, 'svc-1.shop:80', `n${Math.floor(random() * 9)}`)
          : what < 0.22
            ? registered('Not A Name')
            : change();
  return { ...made, id: `${seed}-${++count}` };
};

const write = async (): Promise<never> => {
  for (;;) {
    const size = 1 + Math.floor(random() * random() * 60);
    const { offsets } = await log.append(Array.from({ length: size }, some));
    const last = offsets.at(-1) ?? 0;
    const { epoch } = await projector.waitFor(last);
    writeSync(1, `${last} ${epoch}\n`);
  }
};

process.send?.('writing');
await Promise.all(Array.from({ length: 4 }, write));
