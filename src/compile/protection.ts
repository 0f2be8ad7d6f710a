/** `limits`, `outlier` and `panicPercent` of Upstream -> circuit breakers, outlier detection, panic threshold (policies.md section 5). */
import { type ResolvedLimits, type ResolvedOutlier, type ResolvedUpstreamSettings, UNLIMITED } from '../model/index.ts';
import type { envoy, ICircuitBreakers, IOutlierDetection } from '../proto/index.ts';
import { duration, wrapped } from './values.ts';

/** Every limit is written, also the unlimited ones: unset means 1024 in Envoy. `max_retries` gives way to the budget. */
export const circuitBreakers = (limits: ResolvedLimits): ICircuitBreakers => ({
  thresholds: [
    {
      maxConnections: wrapped(limits.connections),
      maxPendingRequests: wrapped(limits.pending),
      maxRequests: wrapped(limits.requests),
      retryBudget: {
        budgetPercent: { value: limits.retryPercent },
        minRetryConcurrency: wrapped(limits.minRetries),
      },
    },
  ],
  perHostThresholds: limits.perEndpoint === undefined ? [] : [{ maxConnections: wrapped(limits.perEndpoint) }],
});

/** For clusters that Tendril itself needs: no limit at all. */
export const NO_LIMITS: ICircuitBreakers = {
  thresholds: [
    {
      maxConnections: wrapped(UNLIMITED),
      maxPendingRequests: wrapped(UNLIMITED),
      maxRequests: wrapped(UNLIMITED),
      maxRetries: wrapped(UNLIMITED),
    },
  ],
};

/**
 * Only what the document names ejects: Envoy's own default would also eject by success rate (5 endpoints, 100 requests), so
 * that is enforced at 0 %. A count of 0 switches its rule off the same way.
 */
export const outlierDetection = (outlier: ResolvedOutlier): IOutlierDetection => {
  const enforced = (count: number) => wrapped(count === 0 ? 0 : 100);
  const counted = (count: number) => (count === 0 ? undefined : wrapped(count));
  return {
    consecutive5xx: counted(outlier.consecutive5xx),
    enforcingConsecutive5xx: enforced(outlier.consecutive5xx),
    consecutiveGatewayFailure: counted(outlier.consecutiveGateway),
    enforcingConsecutiveGatewayFailure: enforced(outlier.consecutiveGateway),
    enforcingSuccessRate: wrapped(0),
    interval: duration(outlier.intervalMs),
    baseEjectionTime: duration(outlier.ejectTimeMs),
    // Below the base Envoy refuses the cluster (envoy-wire2 section 11).
    maxEjectionTime: duration(Math.max(outlier.maxEjectTimeMs, outlier.ejectTimeMs)),
    maxEjectionPercent: wrapped(outlier.maxPercent),
  };
};

/** With ejections, changes of health are not merged for 1 s: a second ejection would take effect late (envoy-wire2 section 11). */
export const commonLb = (settings: ResolvedUpstreamSettings): envoy.config.cluster.v3.Cluster.ICommonLbConfig => ({
  healthyPanicThreshold: { value: settings.panicPercent },
  updateMergeWindow: settings.outlier === undefined ? undefined : duration(0),
});
