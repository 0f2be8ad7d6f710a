/** The xDS server: pure session machines, the hub that feeds them, and the gRPC file that carries their messages. */
export type {
  ChangeKey,
  ChangeSet,
  NodeFacts,
  NodeView,
  ResourceBody,
  ResourceSource,
  ResourceType,
} from './resource-source.ts';
