/** Opens the mirror and makes the first contact. */
import { randomBytes } from 'node:crypto';
import { TendrilError } from '../../model/index.ts';
import { AWAY_REMEDY } from './contact.ts';
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts';
import type { OpenedMirror } from './mirror.ts';

/** Bytes of a process's part of its append tokens. */
const TOKEN_BYTES = 9;

/**
 * @throws TendrilError `KAFKA_TOPIC_UNFIT`; `LOG_AWAY` when no broker answers and there is no mirror to serve from. A gap or a cut
 * topic is no error here: what is in the mirror can be served, `condition` says what is wrong.
 */
export const openKafkaLog = async (
  options: Omit<KafkaLogOptions, 'random' | 'tokenPrefix'>,
  mirror: OpenedMirror,
): Promise<KafkaLog> => {
  const tokenPrefix = randomBytes(TOKEN_BYTES).toString('base64url');
  const log = new KafkaLog({ ...options, random: Math.random, tokenPrefix }, mirror);
  await log.contacted();
  const { state, code = '', message = '', remedy = AWAY_REMEDY } = log.condition;
  const isEmpty = log.head().offset === 0;
  if (code === 'KAFKA_TOPIC_UNFIT' || (isEmpty && (state === 'away' || state === 'broken'))) {
    await log.close();
    throw new TendrilError(code, message, { remedy });
  }
  return log;
};
