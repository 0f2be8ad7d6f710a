/** The parts that projector and `verify` put together: fold run and deriver. */
import { compileService, type EndpointView } from '../compile/index.ts';
import type { EventLog } from '../log/index.ts';
import type { StoreLogger } from '../store/index.ts';
import type { StoredCatalog } from './catalog-deriver.ts';
import { Deriver, type StoredKeys } from './deriver.ts';
import { createFoldState, FOLD_VERSION, type FoldOptions, type FoldState } from './fold/index.ts';
import { FoldRun } from './fold-run.ts';
import type { Head } from './head.ts';
import { endpointKey, type ResourceFacts } from './records.ts';

export interface PartOptions {
  readonly log: EventLog;
  readonly mesh: string;
  readonly clock: { now(): number };
  readonly logger?: StoreLogger;
  readonly fold?: Omit<FoldOptions, 'mesh'>;
  /** A checkpoint may lie here; the state is made anew from it when the log does not begin with the first event. */
  readonly checkpoint?: string;
  /** Names the code that compiles resources: another one than stored, and all are derived again. */
  readonly derivation: string;
}

/** What a deriver compares with. */
export interface Stored extends StoredCatalog {
  storedResource(key: string): ResourceFacts | undefined;
}

const NONE: readonly string[] = [];

/** For a deriver that compares with nothing. */
export const NOTHING_STORED: Stored & StoredKeys = {
  service: () => undefined,
  host: () => undefined,
  endpoint: () => undefined,
  caller: () => undefined,
  mesh: () => undefined,
  rawVersion: () => undefined,
  rawLabel: () => undefined,
  storedResource: () => undefined,
  resources: () => NONE,
  services: () => NONE,
  hosts: () => NONE,
  endpoints: () => NONE,
  callers: () => NONE,
  units: () => NONE,
  raws: () => NONE,
  rawLabels: () => NONE,
};

/** Raised when the same state compiles to other resources, or records of the read model change. */
const DERIVATION_VERSION = 1;

/** Names the code that compiles; `version` is that of the software. */
export const derivationOf = (version: string | undefined): string => `${DERIVATION_VERSION}/${version ?? ''}`;

export const createRun = (options: Pick<PartOptions, 'mesh' | 'fold'>): FoldRun =>
  new FoldRun(createFoldState({ ...options.fold, mesh: options.mesh }), FOLD_VERSION);

export const createDeriver = (fold: FoldState, stored: Stored, logger: StoreLogger | undefined): Deriver =>
  new Deriver({
    fold,
    stored,
    compile: compileService,
    storedResource: (key) => stored.storedResource(key),
    onFailure: (service, unit, error) =>
      logger?.error({ service, unit, err: error }, 'compilation failed; the last good resources stay'),
  });

/** All endpoints by key, also of services that are not registered. */
export function* allEndpoints(run: FoldRun): Iterable<readonly [key: string, endpoint: EndpointView]> {
  const services = new Set<string>();
  for (const key of run.terms.keys()) if (key.startsWith('eps/')) services.add(key.slice(4, key.lastIndexOf('/')));
  for (const service of services) {
    for (const block of run.fold.compileInputs.endpoints(service)) {
      for (const endpoint of block.endpoints()) yield [endpointKey(service, endpoint.id), endpoint];
    }
  }
}

/** The head after a run, but for what is derived. */
export const headOf = (run: FoldRun, epoch: number, derivation: string): Omit<Head, 'sharedBytes'> => ({
  epoch,
  offset: run.offset,
  recordedAt: run.fold.recordedAt,
  hash: run.stateHash(),
  chain: run.chain,
  tail: run.tail,
  foldVersion: run.foldVersion,
  ...(run.base === undefined ? {} : { base: run.base }),
  derivation,
});
