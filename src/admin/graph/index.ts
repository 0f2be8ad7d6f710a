/** Questions about the dependency graph, as pure as can be: moments in, rows, documents and texts out. */
export { auditOf } from './audit.ts';
export { diffOf } from './diff.ts';
export { dotOf } from './dot.ts';
export { allEdges, EDGE_ORIGINS, EDGE_STATES, type EdgeFilter, edgePage, edgeRow, targetOf } from './edge-rows.ts';
export { dependencyYaml } from './export.ts';
export { type GraphDocument, graphDocument, graphPatch } from './graph-patch.ts';
export { type GraphMoment, momentOf, stampOf } from './moment.ts';
