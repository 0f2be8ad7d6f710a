/** Choosing one of the usable hosts (policies.md section 5, `lb`). No choice looks at all hosts. */
import type { BalancerRules } from './cluster-settings.ts';
import { hashText, mixBits } from './hash.ts';
import { type HashTable, hashRing, maglevTable } from './hash-tables.ts';
import type { Host } from './host.ts';
import { Schedule } from './schedule.ts';

export interface Balancer {
  /** The hosts to choose from, or their weights, are others. */
  update(hosts: readonly Host[]): void;
  /** `attempt`: 0, then 1, 2 … when the host chosen before is not wanted. `active`: calls that run in the whole cluster. */
  choose(hashKey: string | undefined, attempt: number, active: number): Host | undefined;
}

const own = ({ endpoint }: Host): number => endpoint.weight;
/** A host with more calls has its next turn later. */
const byLoad = ({ endpoint, active }: Host): number => endpoint.weight / (active + 1);

const sameWeights = (hosts: readonly Host[]): boolean =>
  hosts.every(({ endpoint }) => endpoint.weight === hosts[0]?.endpoint.weight);

const roundRobin = (random: () => number): Balancer => {
  const schedule = new Schedule();
  return { update: (hosts) => schedule.update(hosts, random), choose: () => schedule.next(own) };
};

const anyHost = (random: () => number): Balancer => {
  let all: readonly Host[] = [];
  return {
    update: (hosts) => {
      all = hosts;
    },
    choose: () => all[Math.floor(random() * all.length)],
  };
};

/** Of `choices` random hosts the one with the fewest calls; with weights that differ, turns by weight / (calls + 1), as Envoy does. */
const leastRequest = (choices: number, random: () => number): Balancer => {
  let all: readonly Host[] = [];
  let schedule: Schedule | undefined;
  return {
    update(hosts) {
      all = hosts;
      if (sameWeights(hosts)) schedule = undefined;
      else {
        schedule ??= new Schedule();
        schedule.update(hosts, random);
      }
    },
    choose() {
      if (schedule !== undefined) return schedule.next(byLoad);
      let best = all[Math.floor(random() * all.length)];
      for (let choice = 1; choice < choices; choice++) {
        const other = all[Math.floor(random() * all.length)];
        if (other !== undefined && best !== undefined && other.active < best.active) best = other;
      }
      return best;
    },
  };
};

const SEED = 0x7e4d;

/** The table is made when it is first needed. Without a key: any place. */
const byHash = (
  tableOf: (hosts: readonly Host[]) => HashTable,
  boundPercent: number,
  random: () => number,
): Balancer => {
  let all: readonly Host[] = [];
  let totalWeight = 0;
  let table: HashTable | undefined;
  /** Whether one more call would put the host above its share of the mean. */
  const overloaded = ({ endpoint, active }: Host, calls: number): boolean =>
    active + 1 > Math.ceil(((calls + 1) * boundPercent * endpoint.weight) / (100 * totalWeight));
  return {
    update(hosts) {
      all = hosts;
      totalWeight = hosts.reduce((sum, host) => sum + host.endpoint.weight, 0);
      table = undefined;
    },
    choose(hashKey, attempt, active) {
      if (all.length === 0) return undefined;
      table ??= tableOf(all);
      const hash = hashKey === undefined ? Math.floor(random() * 0x1_0000_0000) : hashText(hashKey, SEED);
      let place = table.placeOf(attempt === 0 ? hash : mixBits(hash + attempt));
      const first = table.at(place);
      if (boundPercent < 100) return first;
      for (let step = 0; step < table.size; step++) {
        const host = table.at(place);
        if (host !== undefined && !overloaded(host, active)) return host;
        place = place + 1 === table.size ? 0 : place + 1;
      }
      return first;
    },
  };
};

export const createBalancer = (rules: BalancerRules, random: () => number): Balancer => {
  switch (rules.kind) {
    case 'roundRobin':
      return roundRobin(random);
    case 'random':
      return anyHost(random);
    case 'leastRequest':
      return leastRequest(rules.choices, random);
    case 'ringHash':
      return byHash((hosts) => hashRing(hosts, rules.minSize, rules.maxSize), rules.boundPercent, random);
    case 'maglev':
      return byHash((hosts) => maglevTable(hosts, rules.tableSize), rules.boundPercent, random);
  }
};
