/**
 * Whom the versions of a document reached: sidecars that were sent what it shapes, and those that took it, out of the delivery ledger.
 *
 * Bounds: `MAX_HOLDERS` connected sidecars and `MAX_LOOKUPS` rings of steps; beyond them nothing is told rather than a part.
 */
import type { AdminPorts, DeliveryStep, DocumentView } from './ports.ts';
import { servicesOf } from './routes/holders.ts';

const MAX_HOLDERS = 2_000;
const MAX_LOOKUPS = 10_000;
/** Steps that the ledger keeps of one resource: with so many, earlier ones may be gone. */
const RING_STEPS = 8;

/**
 * Of a version that was in force from offset `from` until before `to`; undefined: the ledger does not reach.
 * @param recordedAt of the event, ms: how long the last of those took that had held the version before
 */
export type Reach = (
  from: number,
  to: number,
  recordedAt: number,
) => { readonly sidecars: number; readonly acknowledged: number; readonly ms?: number } | undefined;

/** Types of resources that documents of a kind shape. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  Route: ['vhds'],
  Upstream: ['cds', 'eds'],
  Service: ['cds', 'eds', 'vhds'],
};

/** Undefined: the ledger cannot tell of documents like this one, or there is too much of it. */
export const reachOf = async (ports: AdminPorts, stored: DocumentView): Promise<Reach | undefined> => {
  const types = TYPES[stored.kind];
  if (types === undefined) return undefined;
  const services = await servicesOf(ports, stored);
  const { holders, complete } = await ports.proxies.holders(services);
  if (!complete || holders.length > MAX_HOLDERS) return undefined;
  const rings: { readonly node: string; readonly steps: readonly DeliveryStep[] }[] = [];
  for (const { id, ports: held } of holders)
    for (const servicePort of held) {
      if (!services.some((service) => servicePort.startsWith(`${service}:`))) continue;
      for (const type of types) {
        if (rings.length >= MAX_LOOKUPS) return undefined;
        const name = type === 'vhds' ? `outbound/${servicePort}` : servicePort;
        rings.push({ node: id, steps: ports.deliveries.steps(id, type, name) });
      }
    }
  return (from, to, recordedAt) => {
    const sent = new Set<string>();
    const open = new Set<string>();
    let last = 0;
    for (const { node, steps } of rings) {
      const [first] = steps;
      if (first === undefined) continue;
      // What is gone may have been of this version.
      if (steps.length >= RING_STEPS && first.offset > from) return undefined;
      const sending = steps.findLast((step) => step.event === 'sent' && step.offset >= from && step.offset < to);
      if (sending === undefined) continue;
      sent.add(node);
      const taken = steps.find(
        ({ event, version, at }) => event === 'acked' && version === sending.version && at >= sending.at,
      );
      if (taken === undefined) open.add(node);
      // Who came later was not kept waiting.
      else if (first.at < recordedAt) last = Math.max(last, taken.at);
    }
    if (sent.size === 0) return undefined;
    return {
      sidecars: sent.size,
      acknowledged: sent.size - open.size,
      ...(last > recordedAt ? { ms: last - recordedAt } : {}),
    };
  };
};
