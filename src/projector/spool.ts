/** Operations collected once and written when it is time: again after a refusal, or in several commits. */
import type { Batch, Environment, Table, TableKey } from '../store/index.ts';

/** Operations of one commit, where several are allowed. */
const CHUNK = 50_000;

export class Spool implements Batch {
  readonly #operations: ((batch: Batch) => void)[] = [];

  put<K extends TableKey>(table: Table<K>, key: K, body: Uint8Array): void {
    this.#operations.push((batch) => batch.put(table, key, body));
  }

  putFramed<K extends TableKey>(table: Table<K>, key: K, framed: Uint8Array): void {
    this.#operations.push((batch) => batch.putFramed(table, key, framed));
  }

  remove<K extends TableKey>(table: Table<K>, key: K): void {
    this.#operations.push((batch) => batch.remove(table, key));
  }

  /** All or nothing; may be called again after it was refused. */
  commit(environment: Environment): Promise<void> {
    return environment.commit((batch) => {
      for (const operation of this.#operations) operation(batch);
    });
  }

  /** In several commits: for what nobody reads before the last of them. */
  async flush(environment: Environment): Promise<void> {
    const operations = this.#operations.splice(0);
    for (let at = 0; at < operations.length; at += CHUNK) {
      await environment.commit((batch) => {
        for (const operation of operations.slice(at, at + CHUNK)) operation(batch);
      });
    }
  }
}
