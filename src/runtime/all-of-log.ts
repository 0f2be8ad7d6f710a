/** Before something is written because it is not in the log: all of the log must be here, and folded. */
import type { OpenedLog } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import type { Projector } from '../projector/index.ts';

/** Rejects with the code of the log's condition when its end cannot be had (`LOG_AWAY`, `LOG_GAP`, …). */
export const allOfLog = async (log: OpenedLog, projector: Projector): Promise<void> => {
  await log.settled();
  const { state, code = 'LOG_AWAY', message = 'the log cannot be reached', remedy } = log.condition;
  if (state !== 'live')
    throw new TendrilError(code, `the settings of the mesh are not known: ${message}`, {
      ...(remedy === undefined ? {} : { remedy }),
    });
  const { offset } = log.head();
  if (offset > 0) await projector.waitFor(offset);
};
