/** Which sessions hold resources of some services: what `tendril who` asks. */
import { parseClusterName, servicePort } from '../model/index.ts';
import type { StreamSession } from './stream-session.ts';

export interface Holder {
  readonly node: string;
  readonly caller: string;
  /** Service ports of which it holds something. */
  readonly ports: readonly string[];
  readonly resources: number;
  readonly refused: number;
  /** Assignments (EDS) of them that it has not taken as they are now, and does not refuse. */
  readonly pending: number;
}

/** Service port that a resource is of; undefined: it is a sidecar's own. Virtual hosts and TCP listeners have a prefix. */
const servicePortOf = (type: string, name: string): string | undefined => {
  const hasPrefix = type === 'vhds' || (type === 'lds' && name.startsWith('tcp/'));
  const cluster = parseClusterName(hasPrefix ? name.slice(name.indexOf('/') + 1) : name);
  return cluster === undefined ? undefined : servicePort(cluster.service, cluster.port);
};

const serviceOf = (port: string): string => port.slice(0, port.lastIndexOf(':'));

/** Resources and sessions looked at in one turn: some milliseconds. */
const LOOKS_PER_TURN = 8_192;

/**
 * Sessions without a subject among the services are passed over; of the others the resources are looked at. In slices: others have
 * their turn in between, and streams may come and go meanwhile.
 * @param behind sessions that have not noted the last changes yet
 */
export const holdersOf = async (
  sessions: Iterable<StreamSession>,
  services: ReadonlySet<string>,
  behind: ReadonlySet<StreamSession> = new Set(),
): Promise<readonly Holder[]> => {
  const holders: Holder[] = [];
  let looks = 0;
  for (const session of [...sessions]) {
    if (looks >= LOOKS_PER_TURN) {
      looks = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    looks++;
    if (!concerns(session.subjects, services)) continue;
    const ports = new Set<string>();
    let resources = 0;
    let refusals = 0;
    let pending = 0;
    for (const { type, name, version, acked, refused, due } of session.resources()) {
      looks++;
      const port = servicePortOf(type, name);
      if (port === undefined || !services.has(serviceOf(port))) continue;
      if (refused !== undefined) refusals++;
      else if (type === 'eds' && (version !== acked || due === true || behind.has(session))) pending++;
      if (version === '') continue;
      resources++;
      ports.add(port);
    }
    if (resources + refusals + pending === 0) continue;
    const { id, caller } = session.facts;
    holders.push({ node: id, caller, ports: [...ports], resources, refused: refusals, pending });
  }
  return holders;
};

const concerns = (subjects: ReadonlySet<string>, services: ReadonlySet<string>): boolean => {
  if (services.size < subjects.size) {
    for (const service of services) if (subjects.has(service)) return true;
    return false;
  }
  for (const subject of subjects) if (services.has(subject)) return true;
  return false;
};
