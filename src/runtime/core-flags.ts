/**
 * Flags of Node for the core's process.
 *
 * `--max-semi-space-size=32` (MiB; V8's default is 16): an event lives from its append until its commit, which under load is longer than
 * two collections of the young generation at 16 MiB, so nearly all would be copied twice and then be left to the slow collector. With
 * 32 the pauses of a load take half the time in sum (`bench/alibaba.ts`); it costs up to 48 MiB while events come fast.
 */
export const CORE_FLAGS: readonly string[] = ['--max-semi-space-size=32'];
