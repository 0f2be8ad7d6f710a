/** Operations collected once and written when it is time: again after a refusal, or in several commits. */
import type { Batch, Environment, Table, TableKey } from '../store/index.ts';

/** Operations of one commit, where several are allowed. */
const CHUNK = 50_000;

interface Operation {
  readonly table: Table<TableKey>;
  readonly key: TableKey;
  /** Undefined: the record is removed. */
  readonly bytes: Uint8Array | undefined;
  /** Room for the checksum stands in front of the body. */
  readonly isFramed: boolean;
}

const replay = (operations: readonly Operation[], batch: Batch): void => {
  for (const { table, key, bytes, isFramed } of operations) {
    if (bytes === undefined) batch.remove(table, key);
    else if (isFramed) batch.putFramed(table, key, bytes);
    else batch.put(table, key, bytes);
  }
};

export class Spool implements Batch {
  readonly #operations: Operation[] = [];

  put<K extends TableKey>(table: Table<K>, key: K, body: Uint8Array): void {
    this.#add(table, key, body, false);
  }

  putFramed<K extends TableKey>(table: Table<K>, key: K, framed: Uint8Array): void {
    this.#add(table, key, framed, true);
  }

  remove<K extends TableKey>(table: Table<K>, key: K): void {
    this.#add(table, key, undefined, false);
  }

  /** Hands all operations to a batch; may be called again. */
  replay(batch: Batch): void {
    replay(this.#operations, batch);
  }

  /** In several commits: for what nobody reads before the last of them. */
  async flush(environment: Environment): Promise<void> {
    const operations = this.#operations.splice(0);
    for (let at = 0; at < operations.length; at += CHUNK) {
      await environment.commit((batch) => replay(operations.slice(at, at + CHUNK), batch));
    }
  }

  #add<K extends TableKey>(table: Table<K>, key: K, bytes: Uint8Array | undefined, isFramed: boolean): void {
    this.#operations.push({ table: table as unknown as Table<TableKey>, key, bytes, isFramed });
  }
}
