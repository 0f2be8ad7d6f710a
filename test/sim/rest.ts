/**
 * What must hold when the faults have stopped and time has passed.
 *
 * I3 All replicas have the same state and the same resources, and they are those of a fresh replay of the log in one go.
 * I5 Every sidecar holds what its replica's state says, in its newest version: what its edges bring, what it asked for, and its own.
 * I7 Nothing is held that does not exist any more.
 * I8 Nobody lags behind, everybody is connected, every question has its answer.
 */

import type { NodeView } from '../../src/delta-xds/index.ts';
import { decodeRecord } from '../../src/log/record-codec.ts';
import { DerivedChanges } from '../../src/projector/changes.ts';
import { allEndpoints, createDeriver, createRun, NOTHING_STORED } from '../../src/projector/parts.ts';
import { MeshSource } from '../../src/runtime/mesh-source.ts';
import { bareName, isPlaceholder } from './checks.ts';
import type { Oracle } from './oracle.ts';
import type { Replica } from './replica.ts';
import type { Sidecar } from './sidecar.ts';
import { openModel } from './worker.ts';
import { MESH, type World } from './world.ts';

/** Bytes of a table, as text. */
const contentOf = (replica: Pick<Replica, 'disk'>, name: string): Map<string, string> => {
  const table = replica.disk.table(name);
  return new Map(table.keys().map((key) => [String(key), table.get(key)?.toString('base64') ?? '']));
};

const TABLES = ['entity', 'resource', 'service', 'host', 'endpoint', 'caller', 'outcome', 'quarantine'];

/** I3, I8 */
export const checkReplicas = (world: World, oracle: Oracle, replicas: readonly Replica[]): void => {
  for (const replica of replicas) {
    const state = replica.core?.projector.condition().state;
    if (state !== 'live') world.violated('I8', `${replica.name} is ${state ?? 'down'}`);
    const { offset } = replica;
    if (offset !== oracle.run.offset)
      world.violated('I8', `${replica.name} stands at ${offset}, the log at ${oracle.run.offset}`);
    if (replica.worker.offset !== offset)
      world.violated('I8', `${replica.worker.process.name} serves ${replica.worker.offset}, not ${offset}`);
    for (const name of TABLES) {
      const expected = contentOf(oracle, name);
      const found = contentOf(replica, name);
      for (const key of new Set([...expected.keys(), ...found.keys()]))
        if (expected.get(key) !== found.get(key)) world.violated('I3', `${replica.name}: ${name} ${key} differs`);
    }
  }
};

/** I3: the same state from the log alone, folded and derived in one go. */
export const checkReplay = (world: World, oracle: Oracle): void => {
  const run = createRun({ mesh: MESH });
  for (const [at, bytes] of oracle.records.entries()) run.apply(decodeRecord(at + 1, bytes));
  const stand = oracle.standAt(run.offset);
  if (run.stateHash() !== stand?.hash) world.violated('I3', `a fresh replay has another hash at ${run.offset}`);
  const deriver = createDeriver(run.fold, NOTHING_STORED, undefined);
  deriver.loaded();
  const work = deriver.deriveAll(allEndpoints(run), NOTHING_STORED);
  let derived = new DerivedChanges();
  for (let step = work.next(); ; step = work.next())
    if (step.done === true) {
      derived = step.value;
      break;
    }
  const stored = new Set(oracle.store.resources());
  for (const [key, resource] of derived.resources) {
    stored.delete(key);
    if (oracle.versions.at(key, run.offset) !== resource?.version)
      world.violated('I3', `a fresh replay compiles ${key} to another version`);
  }
  for (const key of stored) world.violated('I7', `${key} is stored, and a fresh replay has no such resource`);
};

/** I5, I7, I8 */
export const checkSidecars = async (world: World, sidecars: readonly Sidecar[]): Promise<void> => {
  for (const sidecar of sidecars) {
    const { replica } = sidecar;
    if (replica === undefined) {
      world.violated('I8', `${sidecar.name} has no stream`);
      continue;
    }
    const model = await openModel(replica.disk);
    const view = new MeshSource(model).attach(sidecar.node, 'delta');
    checkHosts(world, sidecar, view, model.caller(sidecar.caller).learn);
    checkHeld(world, sidecar, view);
    await model.close();
  }
};

const checkHosts = (world: World, { name, client, askedHosts }: Sidecar, view: NodeView, learns: boolean): void => {
  for (const host of askedHosts) {
    const port = view.resolveHost(host);
    const expected = port === undefined ? undefined : `outbound/${port}`;
    const found = client.virtualHostOf(host);
    // What a caller held when its stream began stays (S1; protocol.md, section 11), also where it would no longer be answered: `learn: false`.
    const stays = !learns && expected === undefined && view.get('vhds', bareName('vhds', found ?? '')) !== undefined;
    if (found !== expected && !stays)
      world.violated('I8', `${name} asked for ${host}: it has ${found}, should be ${expected}`);
  }
  for (const port of view.preload())
    if (view.get('vhds', port) !== undefined && !client.versions('vhds').has(`outbound/${port}`))
      world.violated('I8', `${name} does not hold ${port}, which its edges bring`);
};

/** Clusters that the virtual hosts held send calls to. */
const usedBy = (client: Sidecar['client']): Set<string> =>
  new Set(
    [...client.versions('vhds').keys()].flatMap(
      (host) => client.hostOf(host)?.targets.map(({ cluster }) => cluster) ?? [],
    ),
  );

const checkHeld = (world: World, { name, client, askedClusters }: Sidecar, view: NodeView): void => {
  for (const type of ['lds', 'cds', 'eds', 'vhds'] as const)
    for (const [held, version] of client.versions(type)) {
      const current = view.get(type, bareName(type, held));
      if (current === undefined) {
        // In its place an empty one, for as long as somebody names it.
        const isNamed = askedClusters.has(held) || usedBy(client).has(held);
        if (!isNamed || !isPlaceholder(type, held, version))
          world.violated('I7', `${name} holds ${type} ${held}, which does not exist for it`);
      } else if (current.version !== version)
        world.violated('I5', `${name} holds ${type} ${held} as ${version}, it is ${current.version}`);
    }
  for (const type of ['lds', 'cds'] as const)
    for (const own of view.own(type))
      if (!client.versions(type).has(own)) world.violated('I8', `${name} does not hold its own ${type} ${own}`);
};
