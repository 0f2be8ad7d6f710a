/**
 * What the topic must be like to be a log: one partition, nothing compacted, times of the broker, and a compression that can be read
 * here. `judgeTopic` is pure; `ensureTopic` creates what is missing.
 */
import type { Admin } from 'kafkajs';
import { type KafkaAddress, TendrilError } from '../../model/index.ts';

const MIB = 2 ** 20;
const MIN_MESSAGE_BYTES = 4 * MIB;
const CREATED_MESSAGE_BYTES = 16 * MIB;
/** `ConfigResourceTypes.TOPIC`. */
const TOPIC_RESOURCE = 2;
const WANTED_REPLICAS = 3;

export interface TopicFacts {
  readonly partitions: number;
  readonly replicas: number;
  /** Effective settings; undefined: they may not be read. */
  readonly settings: ReadonlyMap<string, string> | undefined;
}

export interface TopicVerdict {
  /** `name found, needed`: with any of them the topic is refused. */
  readonly unfit: readonly { readonly setting: string; readonly found: string; readonly needed: string }[];
  readonly warnings: readonly string[];
  /** Bytes of one batch that the topic takes. */
  readonly maxMessageBytes: number;
}

export const judgeTopic = ({ partitions, replicas, settings }: TopicFacts): TopicVerdict => {
  const unfit: { setting: string; found: string; needed: string }[] = [];
  const warnings: string[] = [];
  if (partitions !== 1) unfit.push({ setting: 'partitions', found: String(partitions), needed: '1' });
  if (settings === undefined) {
    warnings.push('the settings of the topic may not be read (DescribeConfigs is not allowed): they are not checked');
    return { unfit, warnings, maxMessageBytes: MIB };
  }
  const get = (name: string): string => settings.get(name) ?? '';
  const need = (setting: string, fits: boolean, needed: string): void => {
    if (!fits) unfit.push({ setting, found: get(setting), needed });
  };
  need('cleanup.policy', get('cleanup.policy') === 'delete', 'delete');
  need('message.timestamp.type', get('message.timestamp.type') === 'LogAppendTime', 'LogAppendTime');
  need('compression.type', ['uncompressed', 'gzip'].includes(get('compression.type')), 'uncompressed');
  const maxMessageBytes = Number(get('max.message.bytes'));
  need('max.message.bytes', maxMessageBytes >= MIN_MESSAGE_BYTES, String(CREATED_MESSAGE_BYTES));
  for (const name of ['retention.ms', 'retention.bytes']) {
    const found = get(name);
    if (found !== '-1')
      warnings.push(
        `${name} is ${found}: a replica that is away for longer loses events and needs a snapshot (-1 keeps all)`,
      );
  }
  const insync = Number(get('min.insync.replicas'));
  if (replicas >= WANTED_REPLICAS && insync < 2)
    warnings.push(
      `min.insync.replicas is ${insync} with ${replicas} replicas: one broker alone may acknowledge (2 is advised)`,
    );
  if (get('unclean.leader.election.enable') === 'true')
    warnings.push('unclean.leader.election.enable is true: acknowledged events may be lost (false is advised)');
  return { unfit, warnings, maxMessageBytes };
};

/** @throws TendrilError `KAFKA_TOPIC_UNFIT`. */
export const requireFit = ({ unfit }: TopicVerdict, { topic, brokers }: KafkaAddress): void => {
  if (unfit.length === 0) return;
  const found = unfit.map(({ setting, found: is, needed }) => `${setting} is ${is || 'not set'}, needed is ${needed}`);
  const [first] = unfit;
  const changed = unfit.filter(({ setting }) => setting !== 'partitions');
  const mend = changed.map(({ setting, needed }) => `${setting}=${needed}`).join(',');
  const command = `kafka-configs.sh --bootstrap-server ${brokers[0]} --alter --entity-type topics --entity-name ${topic} --add-config ${mend}`;
  throw new TendrilError('KAFKA_TOPIC_UNFIT', `topic ${topic} cannot be a log: ${found.join('; ')}`, {
    remedy:
      first?.setting === 'partitions'
        ? 'name another topic (Tendril creates it with the right settings); partitions cannot be taken away'
        : command,
  });
};

/** Settings of a topic that Tendril creates. */
export const settingsFor = (replicas: number): readonly { readonly name: string; readonly value: string }[] =>
  Object.entries({
    'cleanup.policy': 'delete',
    'compression.type': 'uncompressed',
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'max.message.bytes': String(CREATED_MESSAGE_BYTES),
    'min.insync.replicas': replicas >= WANTED_REPLICAS ? '2' : '1',
    'unclean.leader.election.enable': 'false',
  }).map(([name, value]) => ({ name, value }));

/**
 * Finds out about the topic; creates it when it is missing and `mayCreate`. Undefined: it is missing.
 * Rejects with kafkajs's errors when no broker answers.
 */
export const ensureTopic = async (
  admin: Admin,
  { topic }: KafkaAddress,
  mayCreate: boolean,
): Promise<TopicVerdict | undefined> => {
  if (!(await admin.listTopics()).includes(topic)) {
    if (!mayCreate) return undefined;
    const { brokers } = await admin.describeCluster();
    const replicationFactor = Math.min(WANTED_REPLICAS, brokers.length);
    const configEntries = [...settingsFor(replicationFactor)];
    await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, numPartitions: 1, replicationFactor, configEntries }],
    });
  }
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const partitions = topics[0]?.partitions ?? [];
  const replicas = partitions[0]?.replicas.length ?? 0;
  return judgeTopic({ partitions: partitions.length, replicas, settings: await settingsOf(admin, topic) });
};

const settingsOf = async (admin: Admin, topic: string): Promise<ReadonlyMap<string, string> | undefined> => {
  try {
    const resources = [{ type: TOPIC_RESOURCE, name: topic }];
    const described = await admin.describeConfigs({ includeSynonyms: false, resources });
    const entries = described.resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  } catch (error) {
    if ((error as { readonly type?: unknown }).type === 'TOPIC_AUTHORIZATION_FAILED') return undefined;
    throw error;
  }
};
