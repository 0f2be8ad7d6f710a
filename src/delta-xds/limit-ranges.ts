/** What each bound may be set to: at least, at most. Below the least the server could not serve; above the most it would be no bound. */
import type { ServerLimits } from './limits.ts';

const MIB = 1024 * 1024;
const HOUR = 3_600_000;

export const LIMIT_RANGES: Readonly<Record<keyof ServerLimits, readonly [least: number, most: number]>> = {
  namesPerStream: [1, 10_000_000],
  namesPerRequest: [1, 1_000_000],
  typesPerStream: [1, 1_000],
  nameBytes: [16, 65_536],
  unknownNames: [0, 1_000_000],
  unknownPerSecond: [1, 1_000_000],
  generations: [1, 1_000],
  answersInFlight: [1, 10_000],
  responseBytes: [1_024, 64 * MIB],
  burstBytes: [1_024, 64 * MIB],
  renewalStale: [1, 1_000_000],
  renewalPercent: [0, 100],
  renewalEveryMs: [1_000, 720 * HOUR],
  renewalUnseen: [0, 1],
  receiveBytes: [1_024, 256 * MIB],
  streamsPerConnection: [1, 10_000],
  headerBytes: [1_024, MIB],
  connections: [1, 1_000_000],
  connectionsPerAddress: [1, 1_000_000],
  handshakeMs: [100, HOUR],
  firstStreamMs: [100, HOUR],
  idleMs: [100, 24 * HOUR],
  streamsPerSecond: [1, 100_000],
  firstMessageMs: [100, HOUR],
  keepaliveMs: [1_000, HOUR],
  keepaliveTimeoutMs: [1_000, HOUR],
  heldBytes: [1_024, 1_024 * MIB],
  resetBytes: [64 * 1_024, 4_096 * MIB],
  cacheBytes: [0, 16_384 * MIB],
};
