/** The file behind a read model, opened for reading. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { TendrilError } from '../model/index.ts';
import { type Environment, openEnvironment, type StoreLogger } from '../store/index.ts';
import { HEAD_KEY, type ModelTables, openModelTables, STATE_NAME, STATE_SCHEMA } from './state-tables.ts';

export interface ModelFileOptions {
  readonly dir: string;
  readonly mesh: string;
  readonly logger?: StoreLogger;
}

export interface ModelFile {
  readonly environment: Environment;
  readonly tables: ModelTables;
  /** True once the file has been made anew: there is another one under its name. */
  isReplaced(): boolean;
}

/** -1: the file is not there. */
const inodeOf = (path: string): number => {
  try {
    return statSync(join(path, 'data.mdb')).ino;
  } catch {
    return -1;
  }
};

/** @throws TendrilError `DATA_MISSING`, `STATE_NOT_READY`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`. */
export const openModelFile = async (options: ModelFileOptions): Promise<ModelFile> => {
  const { dir, mesh, logger } = options;
  const inode = inodeOf(join(dir, STATE_NAME));
  const environment = await openEnvironment({
    dir,
    mesh,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    readOnly: true,
    ...(logger === undefined ? {} : { logger }),
  });
  try {
    return { environment, tables: publishedTables(environment), isReplaced: () => inodeOf(environment.path) !== inode };
  } catch (error) {
    await environment.close();
    throw error;
  }
};

/** @throws TendrilError `STATE_NOT_READY` when nothing of this schema has been published. */
export const publishedTables = (environment: Environment): ModelTables => {
  if (environment.opened.schemaVersion < STATE_SCHEMA.version) throw notReady(environment.path);
  const tables = openModelTables(environment);
  if (tables.head.peek(HEAD_KEY) === undefined) throw notReady(environment.path);
  return tables;
};

const notReady = (path: string): TendrilError =>
  new TendrilError('STATE_NOT_READY', `${path} has not been published yet`, {
    remedy: 'try again when the core is ready',
  });
