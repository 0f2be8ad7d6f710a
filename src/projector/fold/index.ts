/** The fold: state of the mesh as a function of the log. Pure; the projector stores what it gives. */
export { MAX_BATCH } from './batch-buffer.ts';
export { createFoldState, FOLD_VERSION, type FoldOptions } from './fold-state.ts';
export { DEFAULT_WINDOW, type IdempotencyWindow, PACKED_ENTRY } from './idempotency.ts';
export { DEFAULT_SUFFIXES } from './mesh-state.ts';
export type * from './types.ts';
