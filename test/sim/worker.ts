/** An xDS worker: the real read model, mesh source, hub and sessions, above simulated streams. */
import { BytesCache } from '../../src/delta-xds/bytes-cache.ts';
import { Hub } from '../../src/delta-xds/hub.ts';
import type { Member } from '../../src/delta-xds/hub-member.ts';
import {
  DEFAULT_SESSION_LIMITS,
  type Effect,
  type NodeView,
  SharedShapes,
  zeroSessionCounters,
} from '../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../src/delta-xds/resource-type.ts';
import type { EdgeObservation } from '../../src/ingest/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { ReadModel } from '../../src/projector/index.ts';
import { publishedTables } from '../../src/projector/model-file.ts';
import { STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { composeDeltaResponse, type DeltaRequest, decodeDeltaRequest } from '../../src/proto/index.ts';
import { MeshSource } from '../../src/runtime/mesh-source.ts';
import type { Checks } from './checks.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { MemoryEnvironment } from './memory-environment.ts';
import type { End } from './network.ts';
import type { Message, Sidecar } from './sidecar.ts';
import { MESH, Process, type World } from './world.ts';

const LOOK_AGAIN_MS = 15;
/** Names that one pass looks at: few, so that the sharing out of long lists is seen. */
const PORTIONS = [3, 16, 256];

export interface WorkerOptions {
  readonly world: World;
  readonly name: string;
  readonly disk: MemoryDisk;
  readonly checks: Checks;
  readonly observe: (edges: readonly EdgeObservation[]) => void;
}

/** The read model of a disk, opened anew. */
export const openModel = (disk: MemoryDisk): Promise<ReadModel> =>
  ReadModel.open({
    dir: disk.name,
    mesh: MESH,
    open: async () => {
      const environment = new MemoryEnvironment({
        disk,
        mesh: MESH,
        schemaVersion: STATE_SCHEMA.version,
        mode: 'visible',
      });
      return { environment, tables: publishedTables(environment), isReplaced: () => false };
    },
  });

/** Mutation. */
const showAll = (model: ReadModel): void => {
  const service = model.service.bind(model);
  const caller = model.caller.bind(model);
  Object.assign(model, {
    service: (name: string) => {
      const record = service(name);
      return record === undefined ? undefined : { ...record, visibility: 'mesh' };
    },
    caller: (name: string) => ({ ...caller(name), denied: [] }),
  });
};

const shortOf = ({ typeUrl, subscribe, unsubscribe, responseNonce, initialResourceVersions }: DeltaRequest): string =>
  [
    typeUrl.split('.').at(-1),
    ...subscribe.map((name) => `+${name}`),
    ...unsubscribe.map((name) => `-${name}`),
    ...[...initialResourceVersions].map(([name, version]) => `${name}=${version.slice(0, 6)}`),
    responseNonce === '' ? '' : `ack ${responseNonce}`,
  ].join(' ');

export class Worker {
  readonly process: Process;
  readonly #options: WorkerOptions;
  readonly #cache = new BytesCache(2 ** 22);
  #serving: { readonly model: ReadModel; readonly source: MeshSource; readonly hub: Hub } | undefined;
  /** Mutation: first assignments of every stream. */
  readonly #old = new Map<string, Message>();

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.process = new Process(`${options.name} worker`);
    const { world } = options;
    world.scheduler.after(0, this.process, () => world.start(this.#open()));
  }

  /** Streams are accepted. */
  get ready(): boolean {
    return this.process.alive && this.#serving !== undefined;
  }

  /** Offset of the state that it serves. */
  get offset(): number {
    return this.#serving?.model.offset() ?? -1;
  }

  async #open(): Promise<void> {
    const { world, disk } = this.#options;
    const { scheduler, choices } = world;
    for (;;) {
      try {
        const model = await openModel(disk);
        if (world.mutation === 'everything is visible') showAll(model);
        const source = new MeshSource(model);
        const hub = new Hub({
          source,
          shapes: new SharedShapes(),
          session: {
            limits: DEFAULT_SESSION_LIMITS,
            counters: zeroSessionCounters(),
            portion: choices.pick(PORTIONS),
          },
          clock: () => scheduler.now,
          later: (run) => void scheduler.after(choices.fraction(), this.process, run),
          after: (ms, run) => scheduler.after(ms, this.process, run),
          tag: () => choices.id(),
        });
        this.#serving = { model, source, hub };
        world.say(`${this.process.name} serves ${model.offset()}`);
        return;
      } catch (error) {
        if (!(error instanceof TendrilError) || error.code !== 'STATE_NOT_READY') throw error;
        await new Promise<void>((resolve) => void scheduler.after(LOOK_AGAIN_MS, this.process, resolve));
      }
    }
  }

  /** Takes the newest state to the streams. */
  wake(): void {
    if (this.#serving !== undefined) this.#options.world.start(this.#serving.hub.wake().then(() => undefined));
  }

  /** A stream of a sidecar: gives what takes its requests. */
  accept(end: End, sidecar: Sidecar): (bytes: Uint8Array) => void {
    const serving = this.#serving;
    if (serving === undefined) throw new Error('this worker serves nothing yet');
    const { world, checks } = this.#options;
    const { hub, source } = serving;
    const stream = `${this.process.name}/${world.number()}`;
    let member: Member | undefined;
    let view: NodeView | undefined;
    end.onClose = () => {
      if (member !== undefined) hub.leave(member);
    };
    return (bytes) => {
      const request = decodeDeltaRequest(bytes);
      if (member === undefined) {
        if (request.node === undefined) throw new Error('the first message of a stream carries the node');
        const attached = source.attach(request.node, 'delta');
        view = attached;
        member = hub.join(attached, {
          execute: (effect) => this.#execute(effect, end, sidecar, stream, attached, () => member),
          fail: (error) => world.fail(error),
        });
      }
      world.say(`${stream} < ${sidecar.name} ${shortOf(request)}`);
      if (view !== undefined) checks.requested(sidecar, request);
      hub.request(member, request);
    };
  }

  #execute(
    effect: Effect,
    end: End,
    sidecar: Sidecar,
    stream: string,
    view: NodeView,
    member: () => Member | undefined,
  ): void {
    const { world, checks, observe } = this.#options;
    switch (effect.kind) {
      case 'send': {
        // The sidecar is gone, and this end has not heard of it yet.
        if (!end.open) return;
        const removed = world.mutation === 'removals are dropped' ? [] : effect.removed;
        const bytes = composeDeltaResponse({
          typeUrl: typeUrlOf(effect.type),
          nonce: effect.nonce,
          resources: effect.resources.map((resource) => this.#cache.encode(effect.type, resource)),
          removed,
        });
        const { offset } = this;
        const names = [...effect.resources.map(({ name }) => name), ...removed.map((name) => `-${name}`)];
        world.say(`${stream} > ${sidecar.name} ${effect.type} ${effect.nonce} ${names.join(' ')} of ${offset}`);
        checks.sent({ sidecar, stream, offset, type: effect.type, resources: effect.resources, removed, view });
        const message = { bytes, stream, offset };
        if (world.mutation === 'virtual hosts overtake clusters' && effect.type === 'cds') {
          world.scheduler.after(10, this.process, () => end.send(() => sidecar.receive(message)));
          return;
        }
        end.send(() => sidecar.receive(message));
        if (world.mutation === 'an old response comes again' && effect.type === 'eds') {
          const old = this.#old.get(stream);
          if (old === undefined) this.#old.set(stream, message);
          else if (old.offset < offset) end.send(() => sidecar.receive(old));
        }
        return;
      }
      case 'observe':
        observe([{ from: effect.from, to: effect.to, node: sidecar.node.id }]);
        return;
      case 'pause':
        world.scheduler.after(world.choices.fraction() * 5, this.process, () => {
          const paused = member();
          if (paused !== undefined) this.#serving?.hub.drained(paused);
        });
        return;
      case 'rejected':
        world.violated('S7', `${sidecar.name} refused ${effect.type}: ${effect.message}`);
        return;
      case 'close':
        world.violated('I8', `the stream of ${sidecar.name} was ended: ${effect.code} ${effect.message}`);
        return;
      default:
        return;
    }
  }
}
