/** What every bootstrap says of its node (contracts, "xDS names: node"). Pure. */
import { isDnsLabel, parseServiceName, TendrilError } from '../model/index.ts';

export interface NodeOptions {
  /** `<service>.<namespace>` */
  readonly service: string;
  /** Id of the endpoint record it stands beside. */
  readonly endpoint?: string | undefined;
  readonly serviceAccount?: string | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
}

export interface BootstrapNode {
  readonly cluster: string;
  /** Empty where nothing is said. */
  readonly locality: { readonly region?: string; readonly zone?: string };
  readonly metadata: Readonly<Record<string, string>>;
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
    },
  };
};
