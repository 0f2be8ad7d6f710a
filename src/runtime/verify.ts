/** Offline proof of a data directory. */
import type { VerifyOptions, VerifyReport } from '../projector/index.ts';

export type { VerifyReport };

/** Loaded when it is called: most commands never need the projector. */
export const verifyData = async (options: VerifyOptions): Promise<VerifyReport> =>
  (await import('../projector/index.ts')).verifyData(options);
