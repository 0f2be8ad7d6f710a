/** The record that binds an environment to a mesh and a schema. */
import { TendrilError } from '../model/basics.ts';

export interface EnvironmentSchema {
  readonly name: string;
  /** Whole number from 1; raised when older code can no longer read what newer code writes. */
  readonly version: number;
}

export interface Identity {
  readonly id: string;
  readonly mesh: string;
  readonly schema: EnvironmentSchema;
}

export const META_TABLE = 'meta';
export const IDENTITY_KEY = 'identity';

/** @throws TendrilError `MESH_MISMATCH`, `DATA_FOREIGN`, `DATA_FROM_NEWER_VERSION`. */
export const requireSame = (found: Identity, wanted: Omit<Identity, 'id'>, path: string): void => {
  const { mesh, schema } = wanted;
  if (found.mesh !== mesh) {
    throw new TendrilError('MESH_MISMATCH', `${path} belongs to mesh "${found.mesh}", not to "${mesh}"`, {
      remedy: `start with --mesh ${found.mesh}, or name another directory with --data`,
    });
  }
  if (found.schema.name !== schema.name) {
    throw new TendrilError('DATA_FOREIGN', `${path} holds ${found.schema.name}, not ${schema.name}`, {
      remedy: 'name another directory with --data',
    });
  }
  if (found.schema.version > schema.version) {
    const versions = `written with version ${found.schema.version} of ${schema.name}, this Tendril knows ${schema.version}`;
    throw new TendrilError('DATA_FROM_NEWER_VERSION', `${path} comes from a newer Tendril: ${versions}`, {
      remedy: 'start the newer Tendril, or name another directory with --data',
    });
  }
};
