/** The mesh that the demo runs: services, who calls whom, and what a visitor's journey asks of the frontend. */
import { readFileSync } from 'node:fs';
import type { Protocol } from '../../model/index.ts';
import { TendrilError } from '../../model/index.ts';

export interface DemoService {
  readonly name: string;
  /** null: it only calls. */
  readonly port: number | null;
  readonly protocol: Protocol | null;
}

export interface DemoMesh {
  readonly services: readonly DemoService[];
  readonly calls: readonly (readonly [from: string, to: string])[];
  /** For the service that the load generator calls: which path makes it call whom. */
  readonly journeys: readonly { readonly path: string; readonly calls: readonly string[] }[];
}

export const NAMESPACE = 'default';

/** Online Boutique, as shipped in examples/. */
export const loadDemoMesh = (file: string): DemoMesh => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DemoMesh;
  } catch (cause) {
    throw new TendrilError('DEMO_MESH', `cannot read the demo's mesh at ${file}`, {
      cause,
      remedy: 'reinstall tendril',
    });
  }
};

/** Services that call others: each gets a sidecar. */
export const callersOf = (mesh: DemoMesh): readonly string[] => [...new Set(mesh.calls.map(([from]) => from))];

export const calleesOf = (mesh: DemoMesh, service: string): readonly DemoService[] =>
  mesh.calls
    .filter(([from]) => from === service)
    .map(([, to]) => mesh.services.find((candidate) => candidate.name === to))
    .filter((found) => found !== undefined);
