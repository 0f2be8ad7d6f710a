/** Runs a real Kafka broker (KRaft, one node) on loopback, from the jars that scripts/fetch-parts.mjs fetched. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, Kafka, logLevel, Partitioners, type Producer, type ProducerConfig } from 'kafkajs';
import { partPath } from './parts.ts';
import { freePorts } from './ports.ts';

export interface BrokerOptions {
  /** A second listener with TLS and SASL; its port is `securePort`. */
  readonly secure?: {
    /** Of the JVM: stores with the broker's key, and with whom it trusts (PKCS12). */
    readonly keyStore: string;
    readonly trustStore: string;
    readonly password: string;
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
    readonly user: { readonly name: string; readonly password: string };
    readonly clientAuth?: 'required' | 'none';
  };
  /** A third listener, `proxiedPort`, that tells clients to come to this port: where a proxy listens. */
  readonly proxy?: number;
  /** Further lines of server.properties. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Broker {
  readonly port: number;
  readonly securePort: number;
  readonly proxiedPort: number;
  readonly address: string;
  readonly pid: number;
  /** Waits until it answers. */
  start(): Promise<void>;
  /** SIGTERM, SIGKILL after 10 s; the data stays. */
  stop(): Promise<void>;
  /** SIGKILL; the data stays. */
  kill(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  admin(): Promise<Admin>;
  producer(options?: ProducerConfig): Promise<Producer>;
  /** Stops everything and removes the data. */
  end(): Promise<void>;
  log(): string;
}

const JVM = '-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto';
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
const START_MS = 60_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

const secureSettings = (secure: NonNullable<BrokerOptions['secure']>): Record<string, string> => {
  const { keyStore, trustStore, password, mechanism, user, clientAuth = 'none' } = secure;
  const login = `required username="${user.name}" password="${user.password}"`;
  const jaas =
    mechanism === 'PLAIN'
      ? `org.apache.kafka.common.security.plain.PlainLoginModule ${login} user_${user.name}="${user.password}";`
      : `org.apache.kafka.common.security.scram.ScramLoginModule ${login};`;
  return {
    'ssl.keystore.location': keyStore,
    'ssl.keystore.password': password,
    'ssl.keystore.type': 'PKCS12',
    'ssl.truststore.location': trustStore,
    'ssl.truststore.password': password,
    'ssl.truststore.type': 'PKCS12',
    // Without the listener's name it would not count beside SASL.
    'listener.name.secure.ssl.client.auth': clientAuth,
    'sasl.enabled.mechanisms': mechanism,
    [`listener.name.secure.${mechanism.toLowerCase()}.sasl.jaas.config`]: jaas,
  };
};

/** Formats the storage and starts; some 8 s. */
export const startKafka = async (options: BrokerOptions = {}): Promise<Broker> => {
  const program = partPath('kafka');
  if (program === undefined) throw new Error('no kafka: ask requirePart first');
  const home = mkdtempSync(join(tmpdir(), 'tendril-kafka-'));
  const [port = 0, controller = 0, securePort = 0, proxiedPort = 0] = await freePorts(4);
  const { secure, proxy } = options;
  const listenersWith = (proxied: number): string =>
    [
      `PLAINTEXT://127.0.0.1:${port}`,
      ...(secure === undefined ? [] : [`SECURE://127.0.0.1:${securePort}`]),
      ...(proxy === undefined ? [] : [`PROXIED://127.0.0.1:${proxied}`]),
    ].join(',');
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `${listenersWith(proxiedPort)},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': listenersWith(proxy ?? 0),
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SECURE:SASL_SSL',
    'log.dirs': join(home, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'num.network.threads': '2',
    'num.io.threads': '2',
    'log.retention.check.interval.ms': '500',
    'log.initial.task.delay.ms': '500',
    'file.delete.delay.ms': '100',
    ...(secure === undefined ? {} : secureSettings(secure)),
    ...options.settings,
  };
  const config = join(home, 'server.properties');
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(config, `${lines.join('\n')}\n`);

  let text = '';
  let child: ChildProcess | undefined;
  const run = (args: readonly string[]): ChildProcess => {
    const env = { ...process.env, KAFKA_JVM_OPTS: JVM };
    const started = spawn(program, args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(started);
    started.once('exit', () => running.delete(started));
    for (const stream of [started.stdout, started.stderr])
      stream?.on('data', (chunk: Buffer) => {
        text = (text + chunk.toString('utf8')).slice(-65_536);
      });
    return started;
  };
  const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', config];
  if (secure !== undefined && secure.mechanism !== 'PLAIN') {
    const { user, mechanism } = secure;
    format.push('--add-scram', `${mechanism}=[name=${user.name},password=${user.password}]`);
  }
  const formatting = run(format);
  await exited(formatting);
  if (formatting.exitCode !== 0) throw new Error(`the storage could not be formatted: ${text}`);

  const address = `127.0.0.1:${port}`;
  const client = (): Kafka => new Kafka({ brokers: [address], clientId: 'test', logLevel: logLevel.NOTHING });
  const clients: { disconnect(): Promise<void> }[] = [];
  const answers = async (): Promise<boolean> => {
    const admin = client().admin({ retry: { retries: 0 } });
    try {
      await admin.connect();
      return (await admin.describeCluster()).brokers.length === 1;
    } catch {
      return false;
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = child;
    if (ending === undefined) return;
    child = undefined;
    ending.kill(signal);
    ending.kill('SIGCONT');
    const timer = setTimeout(() => ending.kill('SIGKILL'), 10_000);
    await exited(ending);
    clearTimeout(timer);
  };
  const broker: Broker = {
    port,
    securePort,
    proxiedPort,
    address,
    get pid() {
      return child?.pid ?? 0;
    },
    start: async () => {
      child = run(['kafka.Kafka', config]);
      const until = Date.now() + START_MS;
      while (!(await answers())) {
        if (child.exitCode !== null || Date.now() > until) throw new Error(`Kafka does not start: ${text}`);
        await sleep(100);
      }
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    signal: (signal) => void child?.kill(signal),
    admin: async () => {
      const admin = client().admin();
      await admin.connect();
      clients.push(admin);
      return admin;
    },
    producer: async (producerOptions = {}) => {
      const producer = client().producer({ createPartitioner: Partitioners.DefaultPartitioner, ...producerOptions });
      await producer.connect();
      clients.push(producer);
      return producer;
    },
    end: async () => {
      for (const one of clients) await one.disconnect().catch(() => undefined);
      await end('SIGKILL');
      if (existsSync(home)) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
    log: () => text,
  };
  await broker.start();
  return broker;
};
