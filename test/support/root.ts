import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const above = (directory: string): string =>
  existsSync(join(directory, 'package-lock.json')) ? directory : above(dirname(directory));

/** The root of the repository, wherever the compiled tests lie. */
export const repositoryRoot: string = above(dirname(fileURLToPath(import.meta.url)));
