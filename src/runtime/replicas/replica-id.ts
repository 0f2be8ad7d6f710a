/** Name of this replica: given, or made once and kept beside the data. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const NAME = 'replica.id';
/** As the schema of `replica.joined` has it. */
const REPLICA_ID = /^[a-z0-9](?:[-a-z0-9.]{0,126}[a-z0-9])?$/;

export const isReplicaId = (text: string): boolean => REPLICA_ID.test(text);

const hostPart = (): string => {
  const part = hostname()
    .toLowerCase()
    .replace(/[^-a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '');
  return part === '' ? 'replica' : part;
};

/**
 * A copy of a data directory brings its name along: two replicas with one name would be taken for one, so give copies a name of their
 * own (`--replica`); `tendril recover` and `snapshot import` leave it out.
 */
export const replicaId = (dir: string, given: string | undefined): string => {
  const path = join(dir, NAME);
  let known = '';
  try {
    known = readFileSync(path, 'utf8').trim();
  } catch {
    // The first start.
  }
  const id = given ?? (isReplicaId(known) ? known : `${hostPart()}-${randomBytes(4).toString('hex')}`);
  if (id === known) return id;
  try {
    writeFileSync(path, `${id}\n`, { mode: 0o600 });
  } catch {
    // A full disk is the disk guard's matter: the next start makes another name.
  }
  return id;
};
