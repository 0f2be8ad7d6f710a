/** What every bootstrap says of its node (contracts, "xDS names: node"). Pure. */
import { isDnsLabel, parseServiceName, TendrilError } from '../model/index.ts';
import { readNeeds } from './node-needs.ts';

export interface NodeOptions {
  /** `<service>.<namespace>` */
  readonly service: string;
  /** Id of the endpoint record it stands beside. */
  readonly endpoint?: string | undefined;
  readonly serviceAccount?: string | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  /** `all`, or `name=value` with commas: services of these labels; what the node wants beside its caller's edges. */
  readonly needs?: string | undefined;
}

/** The metadata's form of it. Throws `USAGE`. */
const needsOf = (text: string): unknown => {
  const pairs = text.split(',').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return at < 1 ? ['', ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  });
  const needs = text === 'all' ? text : { labels: Object.fromEntries(pairs) };
  if ('problem' in readNeeds(needs))
    throw new TendrilError(
      'USAGE',
      `--needs is "${text}"; allowed: all, or labels as name=value, for example tier=public`,
    );
  return needs;
};

export interface BootstrapNode {
  readonly cluster: string;
  /** Empty where nothing is said. */
  readonly locality: { readonly region?: string; readonly zone?: string };
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Throws `USAGE` for names that do not fit. */
export const bootstrapNode = (options: NodeOptions): BootstrapNode => {
  const service = parseServiceName(options.service);
  if (service === undefined)
    throw new TendrilError(
      'USAGE',
      `--service is "${options.service}"; allowed: <service>.<namespace>, for example cart.shop`,
    );
  if (options.serviceAccount !== undefined && !isDnsLabel(options.serviceAccount))
    throw new TendrilError('USAGE', `--service-account is "${options.serviceAccount}"; allowed: a DNS label`);
  return {
    cluster: options.service,
    locality: { ...(options.region && { region: options.region }), ...(options.zone && { zone: options.zone }) },
    metadata: {
      service: service.name,
      namespace: service.namespace,
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
      ...(options.serviceAccount === undefined ? {} : { serviceAccount: options.serviceAccount }),
      ...(options.needs === undefined ? {} : { needs: needsOf(options.needs) }),
    },
  };
};
