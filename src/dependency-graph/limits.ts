/** Edges of one caller; beyond it new ones are refused (E106). */
export const MAX_EDGES = 10_000;
