/** Opening an environment: directory, lock, check, identity (invariants E1 and E2 of environment.ts). */
import { randomUUID } from 'node:crypto';
import { existsSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { TendrilError } from '../model/basics.ts';
import { checkEnvironment } from './check.ts';
import { isClean, removeCleanMark } from './clean-marker.ts';
import { prepareDirectory, preparePrivateFiles, prepareSharedDirectory, requireFitFileSystem } from './data-dir.ts';
import type { Environment, EnvironmentOptions } from './environment.ts';
import { factsOf, headProblem } from './file-facts.ts';
import { META_TABLE, requireSame } from './identity.ts';
import { LmdbEnvironment } from './lmdb-environment.ts';
import { dataFile, type LmdbRoot, lockFile, openRoot } from './lmdb-root.ts';
import { asDamage } from './unseal.ts';
import { acquireWriterLock, type WriterLock } from './writer-lock.ts';

/** Codes after which a derived environment is emptied. */
const EMPTIED_AFTER: ReadonlySet<string> = new Set(['DATA_CORRUPT', 'CORRUPT_RECORD', 'DATA_FROM_OLDER_VERSION']);
/** What LMDB writes to a new file, amply. */
const NEW_FILE_BYTES = 65_536;

const corrupt = (path: string, what: string, where: string, cause?: unknown): TendrilError =>
  new TendrilError('DATA_CORRUPT', `${path} is damaged: ${what}, at ${where}`, {
    remedy: `restore ${path} from a copy; \`tendril verify --data DIR\` tells how far the damage goes`,
    cause,
  });

const lmdbOptions = (options: EnvironmentOptions) => {
  const { mode = 'durable', readOnly = false, maxReaders = 1024, mapSize = 2 ** 40 } = options;
  return { mode, readOnly, maxReaders, mapSize };
};

const rootOf = (options: EnvironmentOptions, path: string): LmdbRoot => {
  try {
    return openRoot({ path, ...lmdbOptions(options) });
  } catch (error) {
    throw corrupt(path, error instanceof Error ? error.message : String(error), 'opening', error);
  }
};

/** E2. Gives whether the file was closed in order; reads it through when it was not. Throws `DATA_CORRUPT`. */
const inspect = async (options: EnvironmentOptions, path: string): Promise<boolean> => {
  const facts = factsOf(dataFile(path));
  if (facts === undefined) {
    options.guard?.admit(NEW_FILE_BYTES);
    return true;
  }
  const { mode } = lmdbOptions(options);
  const problem = headProblem(facts, mode);
  if (problem !== undefined) throw corrupt(path, problem.what, problem.where);
  if (isClean(dataFile(path), facts)) return true;
  const result = await checkEnvironment({ path, extent: 'bounded', ...lmdbOptions(options) });
  if (!result.ok) throw corrupt(path, result.what, result.where);
  options.logger?.info({ environment: path, ...result }, 'was not closed in order; read through without a finding');
  return false;
};

/** Reads, compares and where needed writes the identity. */
const identify = async (
  environment: LmdbEnvironment,
  options: EnvironmentOptions,
  clean: boolean,
  emptied?: string,
): Promise<void> => {
  const { mesh, schema } = options;
  const { path } = environment;
  const found = environment.identity();
  if (found === undefined && environment.tableNames().some((name) => name !== META_TABLE)) {
    throw corrupt(path, 'the record that names its mesh is missing', META_TABLE);
  }
  if (found !== undefined) requireSame(found, options, path);
  if (found !== undefined && found.schema.version < schema.version && options.derived === true) {
    const versions = `schema version ${found.schema.version}, ${schema.version} is needed`;
    throw new TendrilError('DATA_FROM_OLDER_VERSION', `${path} has ${versions}`);
  }
  environment.id = found?.id ?? randomUUID();
  const schemaVersion = found?.schema.version ?? schema.version;
  environment.opened = {
    created: found === undefined,
    clean,
    schemaVersion,
    ...(emptied === undefined ? {} : { emptied }),
  };
  if (found?.schema.version !== schema.version) await environment.writeIdentity({ id: environment.id, mesh, schema });
};

const openWriter = async (
  options: EnvironmentOptions,
  path: string,
  lock: WriterLock,
  emptied?: string,
): Promise<Environment> => {
  const clean = await inspect(options, path);
  removeCleanMark(dataFile(path));
  preparePrivateFiles([dataFile(path), lockFile(path)]);
  const environment = new LmdbEnvironment(options, path, rootOf(options, path), lock);
  try {
    await identify(environment, options, clean, emptied);
    return environment;
  } catch (error) {
    await environment.closeFile();
    throw asDamage(error, META_TABLE, path);
  }
};

const openReader = async (options: EnvironmentOptions, path: string): Promise<Environment> => {
  if (!existsSync(dataFile(path))) {
    throw new TendrilError('DATA_MISSING', `${path} does not exist`, {
      remedy: 'start `tendril serve` with this directory first',
    });
  }
  requireFitFileSystem(path, options.fileSystemType ?? ((at) => statfsSync(at).type));
  const environment = new LmdbEnvironment(options, path, rootOf(options, path), undefined);
  try {
    const identity = environment.identity();
    if (identity === undefined) {
      throw new TendrilError('DATA_MISSING', `${path} is empty`, { remedy: 'try again when the writer has started' });
    }
    requireSame(identity, options, path);
    environment.id = identity.id;
    environment.opened = { created: false, clean: true, schemaVersion: identity.schema.version };
    return environment;
  } catch (error) {
    await environment.closeFile();
    throw error;
  }
};

const emptyDirectory = (path: string): void => {
  removeCleanMark(dataFile(path));
  for (const file of [dataFile(path), lockFile(path)]) rmSync(file, { force: true });
};

/**
 * Opens the environment, and creates it if it is missing.
 * @throws TendrilError `LOG_LOCKED`, `MESH_MISMATCH`, `DATA_FOREIGN`, `DATA_FROM_NEWER_VERSION`, `DATA_NOT_WRITABLE`,
 * `DATA_ON_NETWORK_FS`, `DATA_CORRUPT`, `CORRUPT_RECORD`, `DATA_MISSING` (readers), `DISK_FULL`; each with a remedy.
 */
export const openEnvironment = async (options: EnvironmentOptions): Promise<Environment> => {
  const path = join(options.dir, options.name);
  if (options.readOnly === true) return openReader(options, path);
  if (options.sharesDirectory === true) prepareSharedDirectory(options.dir);
  else prepareDirectory(options.dir, options.fileSystemType);
  prepareDirectory(path, options.fileSystemType);
  const lock = acquireWriterLock(path);
  try {
    try {
      return await openWriter(options, path, lock);
    } catch (error) {
      if (!(options.derived === true && error instanceof TendrilError && EMPTIED_AFTER.has(error.code))) throw error;
      options.logger?.warn({ environment: path, why: error.message }, 'emptied; its content is made again');
      emptyDirectory(path);
      return await openWriter(options, path, lock, error.message);
    }
  } catch (error) {
    lock.release();
    throw error;
  }
};
