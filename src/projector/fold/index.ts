/** The fold: state of the mesh as a function of the log. Pure; the projector stores what it gives. */
export { createFoldState, FOLD_VERSION, type FoldOptions } from './fold-state.ts';
export type { IdempotencyWindow } from './idempotency.ts';
export { contentOf } from './raw-entity.ts';
export type * from './types.ts';
