/**
 * How the children of `serve` are started: flags of Node, environment.
 */

/**
 * Flags of Node for the core's process.
 *
 * `--max-semi-space-size=32` (MiB; V8's default is 16): an event lives from its append until its commit, which under load is longer than
 * two collections of the young generation at 16 MiB, so nearly all would be copied twice and then be left to the slow collector. With
 * 32 the pauses of a load take half the time in sum (`bench/alibaba.ts`); it costs up to 48 MiB while events come fast.
 */
export const CORE_FLAGS: readonly string[] = ['--max-semi-space-size=32'];

/**
 * Environment of an xDS worker's process; the operator's own goes before it.
 *
 * `MALLOC_MMAP_THRESHOLD_` (glibc; others do not read it): the first message of an Envoy has some 60 KB, which between the small
 * blocks of two thousand connections left holes of that size that glibc kept: 40 MB (`tendril bench sim --profile istio-1000-2000`).
 * Above this size, in bytes, a block is the system's own, and is given back when it is freed.
 */
export const WORKER_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_MMAP_THRESHOLD_: '32768' };
