/** Room on the disk for a large file that is written in one go: it does not raise the reserve of the disk guard. */
import { TendrilError } from '../../model/index.ts';
import type { DiskGuard } from '../../store/index.ts';

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** @throws TendrilError `DISK_FULL` unless the guard's reserve stays free behind `bytes`. */
export const requireSpace = (guard: DiskGuard | undefined, bytes: number, path: string): void => {
  if (guard === undefined) return;
  guard.poll();
  const { freeBytes, reserveBytes } = guard.condition();
  if (freeBytes - bytes >= reserveBytes) return;
  throw new TendrilError(
    'DISK_FULL',
    `no room on the disk of ${path}: ${mebibytes(bytes)} are needed, ${mebibytes(freeBytes)} free, ${mebibytes(reserveBytes)} must stay free`,
    { remedy: `free space on the disk of ${path}` },
  );
};
