/**
 * Shapes of `data` for every event type: the one source of TypeScript types, run-time checks and published JSON Schemas.
 * Families that later versions write (rollout, lease, identity) are added here, never changed.
 */
import { type Static, Type } from 'typebox';

const label = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' });
const port = Type.Integer({ minimum: 1, maximum: 65535 });
const labels = Type.Record(Type.String({ maxLength: 63 }), Type.String({ maxLength: 256 }), { maxProperties: 64 });
const id = Type.String({ minLength: 1, maxLength: 256 });
const closed = { additionalProperties: false } as const;
/** `<service>.<namespace>` */
const caller = Type.String({ maxLength: 127, pattern: '^[a-z0-9][-a-z0-9]*\\.[a-z0-9][-a-z0-9]*$' });
/** `<service>.<namespace>[:<port>]` */
const callee = Type.String({ maxLength: 133, pattern: '^[a-z0-9][-a-z0-9]*\\.[a-z0-9][-a-z0-9]*(:[0-9]{1,5})?$' });
const portMap = Type.Record(Type.String({ pattern: '^[0-9]{1,5}$' }), port, { maxProperties: 64 });

export const PortSchema = Type.Object(
  {
    port,
    protocol: Type.Union([Type.Literal('http'), Type.Literal('http2'), Type.Literal('grpc'), Type.Literal('tcp')]),
    name: Type.Optional(label),
  },
  closed,
);

export const InterfaceSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256 }),
    methods: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 256 })),
    port: Type.Optional(port),
  },
  closed,
);

export const LocalitySchema = Type.Object(
  {
    region: Type.Optional(Type.String({ maxLength: 128 })),
    zone: Type.Optional(Type.String({ maxLength: 128 })),
    subzone: Type.Optional(Type.String({ maxLength: 128 })),
  },
  closed,
);

export const HealthSchema = Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy'), Type.Literal('draining')]);

export const VisibilitySchema = Type.Union([
  Type.Literal('mesh'),
  Type.Literal('namespace'),
  Type.Array(label, { minItems: 1, maxItems: 256 }),
]);

/** Fields of one endpoint without its owner; also the items of `Service.spec.endpoints`. */
export const endpointFields = {
  id,
  address: Type.String({ minLength: 2, maxLength: 45 }),
  ports: Type.Optional(portMap),
  inbound: Type.Optional(portMap),
  labels: Type.Optional(labels),
  locality: Type.Optional(LocalitySchema),
  weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535 })),
  health: Type.Optional(HealthSchema),
  serviceAccount: Type.Optional(label),
};

/** Fields of one service without its name; also the body of `Service.spec`. */
export const serviceFields = {
  ports: Type.Array(PortSchema, { minItems: 1, maxItems: 64 }),
  labels: Type.Optional(labels),
  external: Type.Optional(
    Type.Object(
      { hosts: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { minItems: 1, maxItems: 64 }) },
      closed,
    ),
  ),
  visibility: Type.Optional(VisibilitySchema),
  interfaces: Type.Optional(Type.Array(InterfaceSchema, { maxItems: 256 })),
};

const endpointRef = { namespace: label, service: label, id };
const edge = Type.Object({ from: caller, to: callee }, closed);
const policyRef = { kind: Type.String({ minLength: 1, maxLength: 32 }), namespace: label, name: label };
const replicaId = Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,126}[a-z0-9])?$' });
const anyJson = Type.Unknown();
const rawName = Type.String({ minLength: 1, maxLength: 512 });
const rawRef = { node: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })), typeUrl: rawName };

/** Shortest and longest time that a lease may be given, ms: three seconds, and a day. */
export const MIN_LEASE_MS = 3_000;
export const MAX_LEASE_MS = 86_400_000;

/** `ttlMs`: how long its holder may be silent. `holder`: random id of the process that renews it. */
const LeaseSchema = Type.Object(
  {
    ttlMs: Type.Integer({ minimum: MIN_LEASE_MS, maximum: MAX_LEASE_MS }),
    holder: Type.String({ minLength: 1, maxLength: 128 }),
  },
  closed,
);

export const eventSchemas = {
  'mesh.configured': Type.Object(
    { name: label, suffixes: Type.Array(Type.String({ pattern: '^\\.[a-z0-9.-]{1,250}$' }), { maxItems: 16 }) },
    closed,
  ),
  'service.registered': Type.Object({ namespace: label, name: label, ...serviceFields }, closed),
  'service.deregistered': Type.Object({ namespace: label, name: label }, closed),
  /** `lease`: the endpoint goes when its holder is silent for longer; only of a source `lease:…`. */
  'endpoint.registered': Type.Object(
    { namespace: label, service: label, ...endpointFields, lease: Type.Optional(LeaseSchema) },
    closed,
  ),
  'endpoint.health-changed': Type.Object({ ...endpointRef, health: HealthSchema }, closed),
  'endpoint.deregistered': Type.Object(endpointRef, closed),
  /** `seen`: offset of the lease's last event that the keeper knew; `epoch`: the keeper's term. As of `dependency.expired`. */
  'endpoint.expired': Type.Object(
    {
      ...endpointRef,
      seen: Type.Optional(Type.Integer({ minimum: 1 })),
      epoch: Type.Optional(Type.Integer({ minimum: 1 })),
    },
    closed,
  ),
  /** `file`, `line`: where the author wrote it, for `why`. */
  'policy.applied': Type.Object(
    {
      document: Type.Object({}, { additionalProperties: true }),
      file: Type.Optional(Type.String({ maxLength: 1024 })),
      line: Type.Optional(Type.Integer({ minimum: 1 })),
    },
    closed,
  ),
  'policy.patched': Type.Object({ ...policyRef, patch: Type.Array(anyJson, { minItems: 1, maxItems: 256 }) }, closed),
  'policy.deleted': Type.Object(policyRef, closed),
  'policy.refused': Type.Object(
    {
      ...policyRef,
      offset: Type.Integer({ minimum: 0 }),
      author: Type.String({ maxLength: 256 }),
      node: Type.String({ maxLength: 256 }),
      typeUrl: rawName,
      resource: rawName,
      version: Type.String({ maxLength: 128 }),
      message: Type.String({ maxLength: 4096 }),
    },
    closed,
  ),
  'dependency.declared': edge,
  'dependency.withdrawn': edge,
  'dependency.pinned': edge,
  'dependency.denied': edge,
  'dependency.observed': Type.Object(
    { from: caller, to: callee, evidence: Type.Union([Type.Literal('subscribed'), Type.Literal('observed')]) },
    closed,
  ),
  'dependency.renewed': Type.Object({ edges: Type.Array(edge, { minItems: 1, maxItems: 10_000 }) }, closed),
  /**
   * `seen`: offset of the edge's last event that the keeper knew; any later one undoes the decision. `epoch`: the keeper's term
   * (`keeper.elected`); of another term it is rejected. Without either: an operator's word, or a log of version 1.
   */
  'dependency.expired': Type.Object(
    {
      from: caller,
      to: callee,
      seen: Type.Optional(Type.Integer({ minimum: 1 })),
      epoch: Type.Optional(Type.Integer({ minimum: 1 })),
    },
    closed,
  ),
  /** Whoever owns a clock says so before it writes what follows from it: terms count up by one, the newest one holds. */
  'keeper.elected': Type.Object(
    {
      keeper: Type.Literal('edges'),
      epoch: Type.Integer({ minimum: 1 }),
      holder: Type.String({ minLength: 1, maxLength: 256 }),
    },
    closed,
  ),
  /** A replica of the control plane says where its HTTP API is reached; again when that changes, or after it had left. */
  'replica.joined': Type.Object(
    { replica: replicaId, admin: Type.String({ pattern: '^https?://[^/\\s]{1,250}$' }) },
    closed,
  ),
  /** It serves nobody any more: said by itself at an orderly end, by a keeper of one that was silent for long, or by an operator. */
  'replica.left': Type.Object({ replica: replicaId }, closed),
  'resource.put': Type.Object(
    { ...rawRef, name: rawName, version: Type.Optional(Type.String({ maxLength: 128 })), resource: anyJson },
    closed,
  ),
  'resource.delete': Type.Object(
    { ...rawRef, name: rawName, version: Type.Optional(Type.String({ maxLength: 128 })) },
    closed,
  ),
  'resource.clear': Type.Object({ node: rawRef.node }, closed),
  /** `by`: the sidecar that refused it; `offset`, `author`: of the event that put it. */
  'resource.refused': Type.Object(
    {
      ...rawRef,
      name: rawName,
      offset: Type.Integer({ minimum: 0 }),
      author: Type.String({ maxLength: 256 }),
      by: Type.String({ maxLength: 256 }),
      version: Type.String({ maxLength: 128 }),
      message: Type.String({ maxLength: 4096 }),
    },
    closed,
  ),
} as const;

export type EventData = { [T in keyof typeof eventSchemas]: Static<(typeof eventSchemas)[T]> };

export type ServicePortSpec = Static<typeof PortSchema>;
export type Protocol = ServicePortSpec['protocol'];
export type Locality = Static<typeof LocalitySchema>;
export type Health = Static<typeof HealthSchema>;
export type Visibility = Static<typeof VisibilitySchema>;
export type InterfaceSpec = Static<typeof InterfaceSchema>;
export type ServiceData = EventData['service.registered'];
export type EndpointData = EventData['endpoint.registered'];
