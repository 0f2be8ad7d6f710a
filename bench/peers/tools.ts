/** The Go tools of `peerbench`, built once, and the meshes they make. Both lie under `.cache/peerbench`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export interface PeerTools {
  readonly gcpserver: string;
  readonly genmesh: string;
  readonly xdsload: string;
  /** Where meshes are kept. */
  readonly cache: string;
}

export interface MeshSize {
  readonly services: number;
  readonly endpoints: number;
  readonly sidecars: number;
  readonly deps: number;
}

const NAMES = ['gcpserver', 'genmesh', 'xdsload'] as const;

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );

/** Builds what is missing or older than its sources. A text instead of tools says what is missing. */
export const findTools = (root: string, folder: string): PeerTools | string => {
  const source = resolve(root, folder);
  if (!existsSync(join(source, 'go.mod')))
    return `no peerbench at ${source}: name its folder with --peerbench DIR or TENDRIL_PEERBENCH`;
  const cache = join(root, '.cache', 'peerbench');
  mkdirSync(cache, { recursive: true });
  const built = NAMES.map((name) => join(cache, name));
  const current = newest(source);
  if (!built.every((file) => existsSync(file) && statSync(file).mtimeMs > current)) {
    const go = spawnSync('go', ['build', '-mod=readonly', '-buildvcs=false', '-o', `${cache}/`, './...'], {
      cwd: source,
      encoding: 'utf8',
    });
    if (go.error !== undefined)
      return `Go not found (${(go.error as NodeJS.ErrnoException).code ?? go.error.message}): the tools of peerbench need Go 1.26 or newer to be built; put go on the PATH`;
    if (go.status !== 0) return `peerbench could not be built with go build in ${source}: ${go.stderr.slice(-2_000)}`;
  }
  const [gcpserver = '', genmesh = '', xdsload = ''] = built;
  return { gcpserver, genmesh, xdsload, cache };
};

/** Path of `mesh.jsonl` for this size; the same bytes for the same size. */
export const meshFile = (tools: PeerTools, size: MeshSize): string => {
  const { services, endpoints, sidecars, deps } = size;
  const folder = join(tools.cache, `mesh-${services}-${endpoints}-${sidecars}-${deps}`);
  const file = join(folder, 'mesh.jsonl');
  if (existsSync(file)) return file;
  const made = spawnSync(
    tools.genmesh,
    [
      ...['--out', folder, '--services', String(services), '--endpoints', String(endpoints)],
      ...['--sidecars', String(sidecars), '--deps', String(deps)],
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`genmesh failed: ${made.stderr}`);
  // The YAML of another peer: tens of thousands of files that nobody here reads.
  rmSync(join(folder, 'istio'), { recursive: true, force: true });
  return file;
};
