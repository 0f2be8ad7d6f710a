/** Names of the writers inside Tendril, as `source` of their events. */

/** Documents of `--dir`. */
export const DIR_SOURCE = 'dir';
/** Tendril itself: `mesh.configured` and the like. */
export const OWN_SOURCE = 'tendril';
