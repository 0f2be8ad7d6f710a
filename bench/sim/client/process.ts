/** A client process: its share of the sidecars, each on a connection of its own; tells the run four times a second what came. */
import { GRPC_PATHS } from '../../../src/proto/index.ts';
import { monotonicMs } from '../clock.ts';
import { SimMesh } from '../mesh.ts';
import { Assignments } from './assignments.ts';
import type { ClientCounts, ClientShare, FromClient, ToClient } from './messages.ts';
import { type SidecarContext, SimSidecar } from './sidecar.ts';
import { addVersions } from './versions.ts';
import { SimConnection, type SimStream } from './wire.ts';

/** Full jitter up to this before a lost connection is tried again, as the bootstrap of our Envoys has it. */
const RETRY_MS = 1_000;
const TICK_MS = 250;
/**
 * An attempt within this time after a refused one is taken for refused, too, ms: nobody listens. Ten thousand sidecars on machines of their
 * own cost a server that is down nothing; here they would take the processors that it needs to start.
 */
const REFUSED_MS = 10;

class ClientProcess {
  readonly #share: ClientShare;
  readonly #sidecars: SimSidecar[];
  readonly #waiting: SimSidecar[][] = [];
  readonly #counts: ClientCounts = {
    pushes: 0,
    resources: 0,
    bytes: { cds: 0, eds: 0, vhds: 0, rds: 0, lds: 0, other: 0 },
    resourceBytes: 0,
    listenerBytes: 0,
    largestPush: 0,
    foreign: 0,
    repeated: 0,
    refused: 0,
    reconnects: 0,
  };
  readonly #examples: string[] = [];
  #arrivals: number[] = [];
  #completions: number[] = [];
  #completed = 0;
  #lastAnswered = 0;
  #onTheWay = 0;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(share: ClientShare) {
    this.#share = share;
    const { mesh, from, count, needsAll, prefix, perConnection } = share;
    const context: SidecarContext = {
      mesh: new SimMesh(mesh),
      assignments: new Assignments(),
      counts: this.#counts,
      examples: this.#examples,
      needsAll,
      prefix,
      onArrival: (change, at) => this.#arrivals.push(change, at),
      onComplete: (sidecar) => {
        this.#completed++;
        this.#onTheWay--;
        this.#completions.push(monotonicMs() - sidecar.dialed);
        this.#dialNext();
      },
      onAnswered: (at) => {
        this.#lastAnswered = Math.max(this.#lastAnswered, at);
      },
    };
    this.#sidecars = Array.from({ length: count }, (_, index) => new SimSidecar(from + index, context));
    for (let at = 0; at < count; at += perConnection) this.#waiting.push(this.#sidecars.slice(at, at + perConnection));
    setInterval(() => this.tick(), TICK_MS);
    this.#dialNext();
  }

  #dialNext(): void {
    while (this.#onTheWay < this.#share.atOnce) {
      const group = this.#waiting.shift();
      if (group === undefined) return;
      this.#onTheWay += group.length;
      const now = monotonicMs();
      for (const sidecar of group) sidecar.dialed = now;
      this.#dial(group);
    }
  }

  /** A group shares its fate: whatever ends one of its streams ends the connection, as with a sidecar's own one. */
  #dial(group: readonly SimSidecar[]): void {
    const again = (): void => void setTimeout(() => this.#dial(group), Math.random() * RETRY_MS);
    if (monotonicMs() - this.#refusedAt < REFUSED_MS) {
      again();
      return;
    }
    let isOpen = false;
    const connection = new SimConnection(
      this.#share.port,
      () => {
        isOpen = true;
        for (const sidecar of group) sidecar.opened(this.#open(connection, sidecar));
      },
      () => {
        if (!isOpen) this.#refusedAt = monotonicMs();
        for (const sidecar of group) sidecar.lost();
        again();
      },
    );
  }

  #open(connection: SimConnection, sidecar: SimSidecar): SimStream {
    return connection.open(GRPC_PATHS.delta, {
      onMessage: (message) => sidecar.take(message, monotonicMs()),
      onEnd: () => connection.destroy(),
    });
  }

  tick(): void {
    let connected = 0;
    for (const sidecar of this.#sidecars) if (sidecar.isConnected) connected++;
    say({
      t: 'tick',
      connected,
      completed: this.#completed,
      counts: { ...this.#counts, bytes: { ...this.#counts.bytes } },
      arrivals: Float64Array.from(this.#arrivals),
      completions: this.#completions,
      lastAnswered: this.#lastAnswered,
      examples: [...this.#examples],
    });
    this.#arrivals = [];
    this.#completions = [];
    this.#lastAnswered = 0;
  }

  mark(): void {
    this.#counts.largestPush = 0;
  }

  versions(): void {
    const counts = new Map<string, Map<string, number>>();
    for (const sidecar of this.#sidecars) addVersions(counts, sidecar.versions());
    say({ t: 'versions', counts });
  }

  check(truth: readonly (readonly string[])[], versions: ReadonlyMap<string, string>): void {
    let [lostSidecars, lostResources] = [0, 0];
    const examples: string[] = [];
    for (const sidecar of this.#sidecars) {
      const differences = sidecar.differences(truth, versions);
      if (differences.length > 0) lostSidecars++;
      lostResources += differences.length;
      examples.push(...differences.slice(0, Math.max(0, 10 - examples.length)));
    }
    say({ t: 'held', lostSidecars, lostResources, examples });
  }
}

const say = (message: FromClient): void => {
  if (process.connected) process.send?.(message);
};

let client: ClientProcess | undefined;
process.on('message', (message: ToClient) => {
  if (message.t === 'start') client = new ClientProcess(message.share);
  else if (message.t === 'check') {
    client?.tick();
    client?.check(message.truth, message.versions);
  } else if (message.t === 'versions') client?.versions();
  else if (message.t === 'mark') client?.mark();
  else process.exit(0);
});
// The run is gone: nobody wants to know any more.
process.on('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole group: the run says when it is over.
process.on('SIGINT', () => undefined);
