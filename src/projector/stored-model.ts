/**
 * The read model as committed, for the deriver: what is there, and its keys. What is damaged counts as absent: it differs from what is
 * derived, so it is written again.
 */
import { TendrilError } from '../model/index.ts';
import type { StoreLogger, Table } from '../store/index.ts';
import type { StoredCatalog } from './catalog-deriver.ts';
import type { StoredKeys } from './deriver.ts';
import { factsIn, type ResourceFacts } from './records.ts';
import { MESH_KEY, type StateTables } from './state-tables.ts';

export class StoredModel implements StoredKeys, StoredCatalog {
  readonly tables: StateTables;
  readonly #logger: StoreLogger | undefined;

  constructor(tables: StateTables, logger: StoreLogger | undefined) {
    this.tables = tables;
    this.#logger = logger;
  }

  service(name: string): Buffer | undefined {
    return this.#read(this.tables.service, name);
  }

  host(host: string): string | undefined {
    return this.#read(this.tables.host, host)?.toString();
  }

  endpoint(key: string): Buffer | undefined {
    return this.#read(this.tables.endpoint, key);
  }

  caller(name: string): Buffer | undefined {
    return this.#read(this.tables.caller, name);
  }

  mesh(): Buffer | undefined {
    return this.#read(this.tables.head, MESH_KEY);
  }

  rawVersion(key: string): string | undefined {
    const body = this.#read(this.tables.raw, key);
    return body === undefined ? undefined : factsIn(body).version;
  }

  rawLabel(key: string): string | undefined {
    return this.#read(this.tables.rawLabel, key)?.toString();
  }

  storedResource(key: string): ResourceFacts | undefined {
    const body = this.#read(this.tables.resource, key);
    return body === undefined ? undefined : factsIn(body);
  }

  #read(table: Table<string>, key: string): Buffer | undefined {
    try {
      return table.peek(key);
    } catch (error) {
      if (!(error instanceof TendrilError) || error.code !== 'CORRUPT_RECORD') throw error;
      this.#logger?.error(
        { err: error, table: table.name, key },
        'a damaged record of the read model is derived again',
      );
      return undefined;
    }
  }

  resources(): Iterable<string> {
    return this.tables.resource.keys();
  }

  services(): Iterable<string> {
    return this.tables.service.keys();
  }

  hosts(): Iterable<string> {
    return this.tables.host.keys();
  }

  endpoints(): Iterable<string> {
    return this.tables.endpoint.keys();
  }

  callers(): Iterable<string> {
    return this.tables.caller.keys();
  }

  raws(): Iterable<string> {
    return this.tables.raw.keys();
  }

  rawLabels(): Iterable<string> {
    return this.tables.rawLabel.keys();
  }

  units(): Iterable<string> {
    return this.tables.unit.keys();
  }
}
