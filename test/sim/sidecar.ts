/** A sidecar: the real client session, its connection to some replica, and what its application calls. */
import { decodeDeltaResponse, encodeDeltaRequest, type ProtoNode } from '../../src/proto/index.ts';
import { type ClientEffect, ClientSession } from '../../src/sidecar-client/index.ts';
import type { Checks } from './checks.ts';
import type { End } from './network.ts';
import type { Replica } from './replica.ts';
import { Process, type World } from './world.ts';

const RETRY_MS = 25;

export interface Message {
  readonly bytes: Uint8Array;
  readonly stream: string;
  /** Offset of the state it was made from. */
  readonly offset: number;
}

export interface SidecarOptions {
  readonly world: World;
  readonly name: string;
  /** `<service>.<namespace>`. */
  readonly caller: string;
  /** Id of its endpoint record. */
  readonly endpoint: string;
  readonly replicas: readonly Replica[];
  readonly checks: Checks;
}

export class Sidecar {
  readonly name: string;
  readonly caller: string;
  readonly node: ProtoNode;
  readonly askedHosts = new Set<string>();
  readonly askedClusters = new Set<string>();
  client: ClientSession;
  /** Where its stream ends; undefined: it has none. */
  replica: Replica | undefined;
  readonly #options: SidecarOptions;
  readonly #process: Process;
  #end: End | undefined;
  #send: (bytes: Uint8Array) => void = () => undefined;
  #cancel: () => void = () => undefined;
  /** Counts what it was sent with content, since the last look. */
  resources = 0;

  constructor(options: SidecarOptions) {
    const { name, caller, endpoint } = options;
    this.#options = options;
    this.name = name;
    this.caller = caller;
    const [service = '', namespace = ''] = caller.split('.');
    this.node = {
      id: name,
      cluster: caller,
      metadata: { service, namespace, endpoint },
      locality: { region: 'eu', zone: 'eu-1', subzone: '' },
      userAgentName: 'envoy',
      clientFeatures: [],
    };
    this.client = this.#newClient();
    this.#process = new Process(name);
    this.#later();
  }

  /** Its pod starts anew: nothing is held, nothing has been asked. */
  restart(): void {
    this.#options.world.say(`${this.name} restarts`);
    this.askedHosts.clear();
    this.askedClusters.clear();
    this.client = this.#newClient();
    this.#options.checks.forget(this);
    this.reconnect();
  }

  /** Ends its stream and opens another, with whatever replica. */
  reconnect(): void {
    this.#end?.close();
    this.#lost();
  }

  ask(host: string): void {
    this.askedHosts.add(host);
    this.#options.world.say(`${this.name} asks for ${host}`);
    this.#run(this.client.ask(host));
  }

  /** Its application calls every host once more. */
  callAgain(): void {
    for (const host of this.askedHosts) this.#run(this.client.ask(host));
  }

  askCluster(name: string): void {
    this.askedClusters.add(name);
    this.#run(this.client.askCluster(name));
  }

  receive({ bytes, stream, offset }: Message): void {
    const { world, checks } = this.#options;
    const response = decodeDeltaResponse(bytes);
    const effects = this.client.onResponse(response);
    this.resources += response.resources.filter(({ body }) => body !== undefined).length;
    const names = response.resources.map(({ name, version }) => `${name}@${version.slice(0, 6)}`);
    const removed = response.removed.map((name) => `-${name}`);
    world.say(`${this.name} < ${response.typeUrl.split('.').at(-1)} ${[...names, ...removed].join(' ')} of ${offset}`);
    checks.received(this, response, stream, offset);
    this.#run(effects);
  }

  #newClient(): ClientSession {
    return new ClientSession({ node: this.node, listeners: true });
  }

  #connect(): void {
    const { world, replicas } = this.#options;
    const ready = replicas.filter(({ worker }) => worker.ready);
    if (ready.length === 0) {
      this.#later();
      return;
    }
    const replica = world.choices.pick(ready);
    const { worker } = replica;
    const connection = world.network.connect(`${this.name}-${replica.name}`, this.#process, worker.process);
    this.replica = replica;
    this.#end = connection.a;
    connection.a.onClose = () => this.#lost();
    let take: ((bytes: Uint8Array) => void) | undefined;
    this.#send = (bytes) =>
      connection.a.send(() => {
        take ??= worker.accept(connection.b, this);
        take(bytes);
      });
    world.say(`${this.name} connects to ${replica.name}`);
    this.#run(this.client.onConnected());
  }

  #lost(): void {
    this.replica = undefined;
    this.#end = undefined;
    this.#send = () => undefined;
    this.client.onDisconnected();
    this.#later();
  }

  /** One attempt is planned at a time. */
  #later(): void {
    const { world } = this.#options;
    this.#cancel();
    const ms = world.choices.fraction() * RETRY_MS;
    this.#cancel = world.scheduler.after(ms, this.#process, () => this.#connect());
  }

  #run(effects: readonly ClientEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'request') this.#send(encodeDeltaRequest(effect.request));
      else if (effect.kind === 'refused')
        this.#options.world.violated('I5', `${this.name} refuses ${effect.type}: ${effect.message}`);
    }
  }
}
