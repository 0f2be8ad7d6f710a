/** Says of a log on disk that it is the mirror of a topic: whoever wrote to it by itself would part from the topic. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TendrilError } from '../model/index.ts';
import { checkEnvironment, type Environment, openEnvironment } from '../store/index.ts';
import { LOG_SCHEMA } from './lmdb-log.ts';

const TABLE = 'meta';
const KEY = 'mirror-of';

const topicOf = (environment: Environment): string | undefined => environment.table<string>(TABLE).get(KEY)?.toString();

/** @throws TendrilError `LOG_IS_MIRROR`. */
export const requireOwnLog = (environment: Environment): void => {
  const topic = topicOf(environment);
  if (topic === undefined) return;
  throw new TendrilError('LOG_IS_MIRROR', `${environment.path} mirrors topic ${topic} of Kafka`, {
    remedy: `start with --log kafka://HOST:PORT/${topic}, or name another directory with --data`,
  });
};

/** @throws TendrilError `LOG_OF_ANOTHER_TOPIC`. */
export const requireMirrorOf = (environment: Environment, topic: string): void => {
  const marked = topicOf(environment);
  if (marked === undefined || marked === topic) return;
  throw new TendrilError('LOG_OF_ANOTHER_TOPIC', `${environment.path} mirrors topic ${marked}, not ${topic}`, {
    remedy: `start with --log kafka://HOST:PORT/${marked}, or name another directory with --data`,
  });
};

/** Once the mirror's newest record has been found in the topic. */
export const markMirrorOf = async (environment: Environment, topic: string): Promise<void> => {
  if (topicOf(environment) !== undefined) return;
  await environment.commit((batch) => batch.put(environment.table<string>(TABLE), KEY, Buffer.from(topic)));
};

/**
 * The log in data directory `to` becomes a mirror of the topic that the one in `from` mirrors, if it does. One that cannot be read
 * says nothing: the first contact with the topic marks the new one.
 * @throws TendrilError as `openEnvironment` of the new log
 */
export const carryMirrorMark = async (from: string, to: string, mesh: string): Promise<void> => {
  const topic = await topicIn(from, mesh);
  if (topic === undefined) return;
  const environment = await openEnvironment({ dir: to, mesh, name: 'log', schema: LOG_SCHEMA });
  try {
    await markMirrorOf(environment, topic);
  } finally {
    await environment.close();
  }
};

const topicIn = async (dir: string, mesh: string): Promise<string | undefined> => {
  const path = join(dir, 'log');
  if (!existsSync(join(path, 'data.mdb'))) return undefined;
  try {
    // Damage must not end this process.
    const found = await checkEnvironment({
      path,
      mode: 'durable',
      extent: 'bounded',
      maxReaders: 1024,
      mapSize: 2 ** 40,
    });
    if (!found.ok) return undefined;
    const environment = await openEnvironment({ dir, mesh, name: 'log', schema: LOG_SCHEMA, readOnly: true });
    try {
      return topicOf(environment);
    } finally {
      await environment.close();
    }
  } catch {
    return undefined;
  }
};
