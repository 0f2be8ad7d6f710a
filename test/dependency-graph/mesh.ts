/** A fold and a graph side by side, joined as the projector joins them. */
import { DependencyGraph } from '../../src/dependency-graph/index.ts';
import { Story } from '../projector/fold/story.ts';

export class Mesh extends Story {
  readonly graph = new DependencyGraph(this.fold.graphLookup);

  /** Takes in what changed since the last call; gives the callers that may be affected. */
  settle(): Set<string> {
    const { inputs } = this.fold.drain();
    for (const input of inputs) {
      if (!input.startsWith('edges:')) continue;
      const caller = input.slice(6);
      this.graph.setEdges(caller, this.fold.edges(caller));
    }
    return this.graph.affected(inputs);
  }

  /** A graph made from the state as it is, as at a start. */
  freshGraph(): DependencyGraph {
    const graph = new DependencyGraph(this.fold.graphLookup);
    for (const caller of this.fold.callersWithEdges()) graph.setEdges(caller, this.fold.edges(caller));
    graph.affected(this.fold.graphInputs());
    return graph;
  }
}
