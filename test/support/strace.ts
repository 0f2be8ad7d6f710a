/** strace(1) as the bad disk, or as the witness of what was written. */
import { spawnSync } from 'node:child_process';

/** Undefined: it works here. */
export const whyNoStrace = (): string | undefined => {
  const { status, error, stderr } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : `strace does not work here: ${error?.message ?? stderr.trim()}`;
};
