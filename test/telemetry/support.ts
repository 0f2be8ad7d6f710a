/** A collector with its clocks in the test's hands, and streams that feed it. */
import assert from 'node:assert/strict';
import {
  AccessLogStream,
  ConnectionCallers,
  type EdgeUse,
  type Identify,
  LoadReportStream,
  type UseAnswer,
  UseCollector,
  type UseLimits,
} from '../../src/telemetry/index.ts';
import { Random } from '../delta-xds/support/random.ts';
import { type LogsInput, loadMessage, logsMessage } from '../support/use-messages.ts';

/** Wall clock when the monotonic one says 0. */
export const WALL = 1_800_000_000_000;

export class UseStand {
  now = 0;
  readonly #random = new Random(7);
  readonly warnings: Readonly<Record<string, unknown>>[] = [];
  readonly callers = new ConnectionCallers();
  readonly collector: UseCollector;
  /** Service ports that nobody may use. */
  readonly denied = new Set<string>();
  /** How often names and hosts were looked up. */
  lookups = 0;

  constructor(limits: Partial<UseLimits> = {}) {
    this.collector = new UseCollector({
      clock: () => this.now,
      now: () => WALL + this.now,
      random: () => this.#random.next(),
      warn: (facts) => this.warnings.push(facts),
      limits,
    });
  }

  /** The caller is `node.cluster`; every name `<a>.<b>:<port>` and host `<a>.<b>` is a service port that is not denied. */
  readonly identify: Identify = ({ id, cluster }) => {
    if (cluster === '') return undefined;
    const allowed = (name: string): string | undefined => {
      this.lookups++;
      return /^[a-z0-9-]+\.[a-z]+:[0-9]+$/.test(name) && !this.denied.has(name) ? name : undefined;
    };
    return {
      node: id,
      caller: cluster,
      byName: allowed,
      byHost: (authority) => allowed(/^[a-z0-9-]+\.[a-z]+$/.test(authority) ? `${authority}:80` : authority),
    };
  };

  #options(peer: string) {
    const { collector, callers, identify } = this;
    return { collector, callers, identify, peer };
  }

  logs(peer = 'peer'): AccessLogStream {
    return new AccessLogStream(this.#options(peer));
  }

  loads(peer = 'peer'): LoadReportStream {
    return new LoadReportStream(this.#options(peer));
  }

  /** A stream of `node` of `caller` that has begun; returns how to feed it. */
  speaker(caller: string, node: string, peer = node): (input: LogsInput) => UseAnswer {
    const stream = this.logs(peer);
    let first: LogsInput = { node: { id: node, cluster: caller } };
    return (input) => {
      const answer = stream.onMessage(logsMessage({ ...first, ...input }));
      first = {};
      return answer;
    };
  }

  /** A stream of load reports that got its answer. */
  loadSpeaker(caller: string, node: string): (clusters: readonly object[]) => UseAnswer {
    const stream = this.loads(node);
    assert.ok(stream.onMessage(loadMessage({ node: { id: node, cluster: caller } })).reply !== undefined);
    return (clusterStats) => stream.onMessage(loadMessage({ clusterStats }));
  }

  /** All that waits, confirmed, by `<from> <to>`. */
  take(): Record<string, EdgeUse> {
    const found: Record<string, EdgeUse> = {};
    for (let next = this.collector.outbox.next(); next !== undefined; next = this.collector.outbox.next()) {
      for (const use of next.report.uses) found[`${use.from} ${use.to}`] = use;
      assert.ok(this.collector.outbox.confirmed(next.upTo));
    }
    return found;
  }
}

export const endOf = (answer: UseAnswer): number | undefined => answer.end?.code;
