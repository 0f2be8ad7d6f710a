/** The contract of the `EventLog` port against a real Kafka broker. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { openEventLog } from '../../src/log/index.ts';
import { describeEventLog, MESH } from '../contracts/event-log.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';

const skip = requirePart('kafka');
let broker: Broker;
let topics = 0;

before(async () => {
  if (skip === false) broker = await startKafka();
});
after(async () => {
  if (skip === false) await broker.end();
});

describeEventLog(
  'Kafka',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tendril-log-'));
    const topic = `contract-${++topics}`;
    return {
      durable: true,
      ownTime: true,
      open: (options) => openEventLog({ kind: `kafka://${broker.address}/${topic}`, dir, mesh: MESH, ...options }),
      cleanUp: async () => rmSync(dir, { recursive: true, force: true }),
    };
  },
  { skip, runs: 5 },
);
