/**
 * The dependency graph at size (issue 5, 4.3): 20,000 services that call 15 others each, 10,000 nodes. What a change costs until it is
 * known whom it concerns, and what the graph costs in memory.
 *
 * Memory is the heap after a collection, with and without: edges are those of the fold and the graph's indexes together, nodes what the
 * index of streams keeps of each (without its session).
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { noticesOf } from '../src/delta-xds/change.ts';
import { InterestIndex } from '../src/delta-xds/interest-index.ts';
import { SharedShapes } from '../src/delta-xds/shapes.ts';
import { DependencyGraph } from '../src/dependency-graph/index.ts';
import { createFoldState, type FoldState } from '../src/projector/fold/index.ts';
import { documentEvent, MESH, recordAt, told } from '../test/projector/fold/story.ts';
import { spreadOf } from './spread.ts';

export interface GraphOptions {
  readonly services?: number;
  readonly deps?: number;
  readonly nodes?: number;
  readonly repeats?: number;
}

const IN_NAMESPACE = 500;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heap = (): number => {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
};

const us = (run: () => void): number => {
  const from = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - from) / 1_000;
};

class Build {
  readonly fold: FoldState = createFoldState({ mesh: MESH });
  #offset = 0;

  send(event: ReturnType<typeof told>): void {
    this.#offset += 1;
    this.fold.apply(recordAt(this.#offset, event));
    if (this.#offset % 5_000 === 0) this.fold.drain();
  }
}

export const run = (options: GraphOptions = {}): Readonly<Record<string, unknown>> => {
  const { services = 20_000, deps = 15, nodes = 10_000, repeats = 200 } = options;
  const namespaceOf = (at: number): string => `ns-${Math.floor(at / IN_NAMESPACE)}`;
  const nameOf = (at: number): string => `svc-${at}.${namespaceOf(at)}`;
  const callee = (at: number, dep: number): string => `${nameOf((at * 7 + dep * 131 + 1) % services)}:8080`;
  const build = new Build();
  for (let at = 0; at < services; at++)
    build.send(
      told('service.registered', {
        namespace: namespaceOf(at),
        name: `svc-${at}`,
        ports: [{ port: 8080, protocol: 'http' }],
        labels: { tier: String(at % 10) },
      }),
    );
  build.fold.drain();
  const graph = new DependencyGraph(build.fold.graphLookup);
  graph.affected(build.fold.graphInputs());
  const before = heap();
  for (let at = 0; at < services; at++)
    for (let dep = 0; dep < deps; dep++)
      for (const [replica, evidence] of [
        [1, 'subscribed'],
        [2, 'observed'],
      ] as const)
        build.send(
          told(
            'dependency.observed',
            { from: nameOf(at), to: callee(at, dep), evidence },
            { source: `sidecar:svc-${at}-6c5b9d7f4-${replica}` },
          ),
        );
  build.fold.drain();
  const inFold = heap();
  for (const caller of build.fold.callersWithEdges()) graph.setEdges(caller, build.fold.edges(caller));
  const inGraph = heap();
  const edges = services * deps;

  // Streams: each node holds what its caller calls.
  const shapes = new SharedShapes();
  const index = new InterestIndex<{ readonly node: string }>();
  // Names of services are kept once for all nodes.
  for (let at = 0; at < services; at++) for (let dep = 0; dep < deps; dep++) shapes.subjectOf(callee(at, dep));
  const beforeNodes = heap();
  for (let at = 0; at < nodes; at++) {
    const caller = (at * 2) % services;
    const member = { node: `svc-${caller}-6c5b9d7f4-${at}` };
    index.join(member, { id: member.node, caller: nameOf(caller), namespace: namespaceOf(caller) });
    for (let dep = 0; dep < deps; dep++) index.add(member, shapes.subjectOf(callee(caller, dep)));
  }
  const afterNodes = heap();

  const streamsOf = (key: string): number => {
    let found = 0;
    for (const { audience } of noticesOf(key, (name) => shapes.subjectOf(name)))
      for (const _ of index.of(audience)) found++;
    return found;
  };
  // A service that everybody holds besides: the cost for each stream.
  const popular = 'popular.ns-0:8080';
  for (const member of index.all) index.add(member, shapes.subjectOf(popular));
  const few: number[] = [];
  const many: number[] = [];
  let fewStreams = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const key = `eds||${callee((repeat * 97) % services, repeat % deps)}`;
    few.push(us(() => (fewStreams += streamsOf(key))));
    many.push(us(() => streamsOf(`eds||${popular}`)));
  }

  const folding: number[] = [];
  const policy: number[] = [];
  const policyStreams: number[] = [];
  let affected = 0;
  for (let repeat = 0; repeat < Math.min(repeats, 50); repeat++) {
    const namespace = `ns-${repeat % Math.max(1, services / IN_NAMESPACE)}`;
    const event = documentEvent(
      'Dependency',
      'defaults',
      { scope: { namespace: true }, to: { [`svc-${repeat}.ns-0`]: {} } },
      { namespace },
    );
    let inputs: ReadonlySet<string> = new Set();
    folding.push(
      us(() => {
        build.send(event);
        ({ inputs } = build.fold.drain());
      }),
    );
    let callers: ReadonlySet<string> = new Set();
    policy.push(
      us(() => {
        callers = graph.affected(inputs);
        for (const caller of callers) graph.record(caller);
      }),
    );
    affected = callers.size;
    policyStreams.push(
      us(() => {
        for (const caller of callers) streamsOf(`caller|${caller}`);
      }),
    );
  }
  const median = (list: readonly number[]): number => spreadOf(list).p50Ms;
  return {
    size: { services, edges, nodes },
    endpointChange: {
      streams: Math.round(fewStreams / repeats),
      usP50: Number(median(few).toFixed(1)),
      ofAllNodesUsP50: Number(median(many).toFixed(1)),
      usForEachStream: Number((median(many) / nodes).toFixed(4)),
    },
    namespacePolicy: {
      callers: affected,
      foldMsP50: Number((median(folding) / 1_000).toFixed(2)),
      recordsMsP50: Number((median(policy) / 1_000).toFixed(2)),
      streamsMsP50: Number((median(policyStreams) / 1_000).toFixed(2)),
    },
    memory: {
      bytesPerEdgeEnd: Math.round((inGraph - before) / edges / 2),
      ofThatFold: Math.round((inFold - before) / edges / 2),
      bytesPerNode: Math.round((afterNodes - beforeNodes) / nodes),
    },
  };
};
