/**
 * What of the configuration shapes bytes lives in the log (`mesh.configured`), so that every replica and every replay compiles
 * the same. Written at the first start; a different configuration later is refused unless `--reconfigure`.
 */
import { type Ingest, OWN_SOURCE } from '../ingest/index.ts';
import { TendrilError } from '../model/index.ts';
import type { ServeConfig } from './config.ts';

export interface MeshSettingsOptions {
  readonly config: ServeConfig;
  readonly ingest: Pick<Ingest, 'submit'>;
  /** Suffixes the log holds; undefined: it has no `mesh.configured` yet. */
  readonly stored: readonly string[] | undefined;
}

const WAIT_MS = 30_000;

/** Throws `MESH_SUFFIXES_DIFFER`. */
export const configureMesh = async ({ config, ingest, stored }: MeshSettingsOptions): Promise<void> => {
  const wanted = config.suffixes;
  if (stored !== undefined) {
    if (stored.length === wanted.length && stored.every((suffix, index) => suffix === wanted[index])) return;
    if (!config.reconfigure)
      throw new TendrilError(
        'MESH_SUFFIXES_DIFFER',
        `the log of ${config.data} holds the mesh suffixes ${stored.join(',')}, this start asks for ${wanted.join(',')}`,
        { remedy: `start with --mesh-suffixes ${stored.join(',')}, or change all sidecars' hosts with --reconfigure` },
      );
  }
  const answer = await ingest.submit({
    events: [{ type: 'mesh.configured', data: { name: config.mesh, suffixes: [...wanted] } }],
    caller: OWN_SOURCE,
    internal: true,
    timeoutMs: WAIT_MS,
  });
  if (answer.result !== 'applied')
    throw new TendrilError('MESH_NOT_CONFIGURED', `the settings of the mesh could not be written: ${answer.result}`, {
      ...(answer.findings.length === 0 ? {} : { findings: answer.findings }),
      remedy: 'read the lines of the log above; then start again',
    });
};
