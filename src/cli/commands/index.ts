/** All commands, in the order of `tendril --help`. */
import type { CommandEntry } from '../command.ts';

export const commands: readonly CommandEntry[] = [
  {
    name: 'serve',
    summary: 'run the control plane',
    ends: 'in-order',
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'demo',
    summary: 'run Online Boutique with sidecars, here and now',
    ends: 'in-order',
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'apply',
    summary: 'apply documents, all or none',
    ends: 'at-once',
    load: async () => (await import('./apply.ts')).apply,
  },
  {
    name: 'delete',
    summary: 'delete documents, all or none',
    ends: 'at-once',
    load: async () => (await import('./delete.ts')).remove,
  },
  {
    name: 'get',
    summary: 'show documents, services and endpoints',
    ends: 'at-once',
    load: async () => (await import('./get.ts')).get,
  },
  {
    name: 'history',
    summary: 'show what happened to a document or a service, and whom it reached',
    ends: 'at-once',
    load: async () => (await import('./history.ts')).history,
  },
  {
    name: 'diff',
    summary: 'show what differs between two moments',
    ends: 'at-once',
    load: async () => (await import('./diff.ts')).diff,
  },
  {
    name: 'rollback',
    summary: 'write a document again as it was at an offset',
    ends: 'at-once',
    load: async () => (await import('./rollback.ts')).rollback,
  },
  {
    name: 'validate',
    summary: 'check documents offline',
    ends: 'at-once',
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    name: 'explain',
    summary: 'list the fields of a kind of document',
    ends: 'at-once',
    load: async () => (await import('./explain.ts')).explain,
  },
  {
    name: 'events',
    summary: 'show the event log',
    ends: 'in-order',
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'graph',
    summary: 'show the dependency graph',
    ends: 'at-once',
    load: async () => (await import('./graph.ts')).graph,
  },
  {
    name: 'proxies',
    summary: 'list sidecars and what they hold',
    ends: 'at-once',
    load: async () => (await import('./proxies.ts')).proxies,
  },
  {
    name: 'proxy',
    summary: 'show one sidecar, resource by resource',
    ends: 'at-once',
    load: async () => (await import('./proxy.ts')).proxy,
  },
  {
    name: 'why',
    summary: 'explain why a sidecar holds a resource',
    ends: 'at-once',
    load: async () => (await import('./why.ts')).why,
  },
  {
    name: 'who',
    summary: 'tell which sidecars hold a service or a document, and who calls it',
    ends: 'at-once',
    load: async () => (await import('./who.ts')).who,
  },
  {
    name: 'bootstrap',
    summary: 'print the bootstrap of an Envoy sidecar, or of a gRPC application',
    ends: 'at-once',
    load: async () => (await import('./bootstrap.ts')).bootstrap,
  },
  {
    name: 'verify',
    summary: 'prove a data directory, offline',
    ends: 'at-once',
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'check',
    summary: 'check a running control plane',
    ends: 'at-once',
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'version',
    summary: 'print the version',
    ends: 'at-once',
    load: async () => (await import('./version.ts')).version,
  },
];
