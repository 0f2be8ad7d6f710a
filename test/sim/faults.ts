/** What goes wrong in a run: crashes, power cuts, full and failing disks, a network that is slow, cut or reset, clocks that jump. */
import type { LogServer } from './log-server.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { Replica } from './replica.ts';
import type { Sidecar } from './sidecar.ts';
import type { World } from './world.ts';

export interface Breakable {
  readonly server: LogServer;
  readonly replicas: readonly Replica[];
  readonly sidecars: readonly Sidecar[];
}

const WEIGHTS = {
  'log killed': 3,
  'log without power': 3,
  'core killed': 6,
  'replica without power': 5,
  'disk lost': 1,
  'state to be made anew': 2,
  'worker killed': 4,
  'disk full': 4,
  'commit fails': 3,
  'link cut': 8,
  'link reset': 6,
  'slow network': 3,
  'clock jumps': 3,
  'sidecar moves': 10,
  'sidecar restarts': 3,
};

export class Faults {
  readonly #world: World;
  readonly #parts: Breakable;
  readonly #meanMs: number;
  #stopped = false;
  #heal: (() => void)[] = [];
  happened = 0;

  /** @param meanMs mean time between two of them, ms */
  constructor(world: World, parts: Breakable, meanMs: number) {
    this.#world = world;
    this.#parts = parts;
    this.#meanMs = meanMs;
    this.#plan();
  }

  /** Nothing more goes wrong, and what is wrong is mended. */
  stop(): void {
    this.#stopped = true;
    for (const heal of this.#heal.splice(0)) heal();
  }

  #plan(): void {
    const { scheduler, choices } = this.#world;
    scheduler.after(choices.fraction() * 2 * this.#meanMs, undefined, () => {
      if (this.#stopped) return;
      this.#happen();
      this.#plan();
    });
  }

  #happen(): void {
    const { server, replicas, sidecars } = this.#parts;
    const { choices, network } = this.#world;
    const kind = choices.weighted(WEIGHTS);
    const replica = choices.pick(replicas);
    const sidecar = choices.pick(sidecars);
    this.happened++;
    switch (kind) {
      case 'log killed':
      case 'log without power':
        server.crash(kind === 'log without power');
        break;
      case 'core killed':
      case 'replica without power':
        replica.crashCore(kind === 'replica without power');
        break;
      case 'disk lost':
        replica.loseDisk();
        break;
      case 'state to be made anew':
        replica.spoilState();
        break;
      case 'worker killed':
        replica.crashWorker();
        break;
      case 'disk full':
      case 'commit fails':
        this.#spoil(choices.pick([server.disk, replica.disk]), kind === 'disk full');
        break;
      case 'link cut':
      case 'link reset':
        this.#disturb(kind === 'link cut');
        break;
      case 'slow network':
        network.slowPercent = choices.between(5, 50);
        this.#forAWhile('the network is slow', 200, () => {
          network.slowPercent = 0;
        });
        break;
      case 'clock jumps':
        server.skew += choices.between(-3_600_000, 3_600_000);
        this.#world.say(`the clock of the log is wrong by ${server.skew}`);
        break;
      case 'sidecar moves':
        sidecar.reconnect();
        break;
      case 'sidecar restarts':
        sidecar.restart();
        break;
    }
  }

  #spoil(disk: MemoryDisk, full: boolean): void {
    if (!full) {
      disk.failNext = this.#world.choices.pick(['lost', 'kept']);
      this.#world.say(`the next commit of ${disk.name} fails`);
      return;
    }
    disk.full = true;
    this.#forAWhile(`the disk of ${disk.name} is full`, 80, () => {
      disk.full = false;
    });
  }

  #disturb(cut: boolean): void {
    const { choices, network } = this.#world;
    const { links } = network;
    if (links.length === 0) return;
    const link = choices.pick(links);
    if (!cut) {
      this.#world.say(`${link} is reset`);
      network.reset(link);
      return;
    }
    network.cut.add(link);
    this.#forAWhile(`${link} is cut`, 200, () => network.heal(link));
  }

  #forAWhile(text: string, mostMs: number, heal: () => void): void {
    const { scheduler, choices } = this.#world;
    this.#world.say(text);
    this.#heal.push(heal);
    scheduler.after(choices.fraction() * mostMs, undefined, heal);
  }
}
