/**
 * What one held service port costs on the wire, and that it costs the same in a small and in a large mesh (issue 3, section 9):
 * CDS, EDS of 10 endpoints and VHDS with their wrappers, as the server counts them; the listener's bytes apart.
 */
import { connectSidecar } from '../src/sidecar-client/index.ts';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';

export interface HeldBytes {
  readonly services: number;
  readonly cds: number;
  readonly eds: number;
  readonly vhds: number;
  /** Sum of the three. */
  readonly heldBytes: number;
  readonly listenerBytes: number;
}

export interface HeldBytesFigures {
  readonly small: HeldBytes;
  readonly large: HeldBytes;
  /** large / small */
  readonly ratio: number;
}

const ENDPOINTS = 10;
const SERVICES_PER_POST = 80;
const CALLER = 'caller.default';

const measure = async (services: number): Promise<HeldBytes> => {
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  try {
    for (let from = 0; from < services; from += SERVICES_PER_POST) {
      const names = Array.from({ length: Math.min(SERVICES_PER_POST, services - from) }, (_, index) => from + index);
      await mesh.events(
        ...names.flatMap((index) =>
          serviceEvents(
            `service-${String(index).padStart(5, '0')}`,
            [{ port: 8080, protocol: 'http' }],
            Array.from({ length: ENDPOINTS }, (_, endpoint) => ({
              id: `service-${index}-${endpoint}`,
              address: `10.${index >> 8}.${index & 255}.${endpoint + 1}`,
              ports: { 8080: 8080 },
              locality: { region: 'eu', zone: `eu-${endpoint % 3}` },
            })),
          ),
        ),
      );
    }
    const client = connectSidecar({
      addresses: [mesh.server.xds],
      node: { id: 'bench-holder', cluster: CALLER },
      listeners: true,
    });
    try {
      await client.start();
      await client.ask('service-00042.default:8080');
      await client.hold('service-00042.default:8080');
      await new Promise((next) => setTimeout(next, 500)); // the ledger is told every 200 ms
      const { body } = await mesh.request('GET', '/v1/proxies/bench-holder/resources');
      const rows = body.resources as readonly {
        readonly type: string;
        readonly name: string;
        readonly bytes?: number;
      }[];
      const of = (type: string, part: string): number =>
        rows
          .filter((row) => row.type === type && row.name.includes(part))
          .reduce((sum, row) => sum + (row.bytes ?? 0), 0);
      const [cds, eds, vhds] = [of('cds', 'service-00042'), of('eds', 'service-00042'), of('vhds', 'service-00042')];
      if (cds === 0 || eds === 0 || vhds === 0)
        throw new Error(`the sidecar holds too little: ${JSON.stringify(rows)}`);
      return { services, cds, eds, vhds, heldBytes: cds + eds + vhds, listenerBytes: of('lds', 'outbound') };
    } finally {
      await client.close();
    }
  } finally {
    await mesh.stop();
  }
};

export const run = async (
  options: { readonly small?: number; readonly large?: number } = {},
): Promise<HeldBytesFigures> => {
  const small = await measure(options.small ?? 100);
  const large = await measure(options.large ?? 5_000);
  return { small, large, ratio: Number((large.heldBytes / small.heldBytes).toFixed(3)) };
};
