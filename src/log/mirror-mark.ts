/** Says of a log on disk that it is the mirror of a topic: whoever wrote to it by itself would part from the topic. */
import { TendrilError } from '../model/index.ts';
import type { Environment } from '../store/index.ts';

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
