/**
 * Named places at which a fault test ends its process as `kill -9` would: `TENDRIL_FAILPOINT=NAME` at the first pass,
 * `TENDRIL_FAILPOINT=NAME:N` at the n-th. Compiled in, so that what is tested is what runs; without the variable a pass costs one
 * comparison. Which place lies between which steps: docs/faults.md.
 *
 * It lives here because log and projector both import `store`; `delta-xds`, which must not, gets it by argument.
 */
import { TendrilError } from '../model/basics.ts';

export const FAILPOINTS = [
  /** The log has taken events, nothing of them is written. */
  'beforeAppend',
  /** The log's commit is handed to LMDB; nobody knows whether the disk has it. */
  'beforeFlush',
  /** The disk has it. */
  'afterFlush',
  /** Followers are told, authors are not. */
  'afterAppend',
  /** Events are folded and resources derived; nothing of it is written. */
  'midProject',
  /** A snapshot is written and flushed under its temporary name. */
  'beforeSnapshotRename',
  /** It has its name; nothing older is removed. */
  'afterSnapshot',
  /** A response is composed and not given to its connection. */
  'beforePush',
  /** It is given to its connection. */
  'afterPush',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

export interface ArmedFailpoint {
  readonly name: Failpoint;
  /** Passes until it ends the process, from 1. */
  readonly pass: number;
}

/** @throws TendrilError `CONFIG_INVALID`. */
export const parseFailpoint = (text: string | undefined): ArmedFailpoint | undefined => {
  if (text === undefined || text === '') return undefined;
  const [, word = '', pass = '1'] = /^([A-Za-z]+)(?::([1-9][0-9]{0,8}))?$/.exec(text) ?? [];
  const name = FAILPOINTS.find((known) => known === word);
  if (name !== undefined) return { name, pass: Number(pass) };
  throw new TendrilError('CONFIG_INVALID', `TENDRIL_FAILPOINT is "${text}"; allowed: NAME or NAME:N`, {
    remedy: `unset it: it is for tests; its names are ${FAILPOINTS.join(', ')}`,
  });
};

const text = process.env.TENDRIL_FAILPOINT;
/** What is no failpoint is reported by `armedFailpoint`, not while modules are loaded. */
const isSet = text !== undefined && text !== '';
let left = Number.NaN;

/** For whoever passes `failpoint` on only where one is set. Throws `CONFIG_INVALID`. */
export const armedFailpoint = (): ArmedFailpoint | undefined => parseFailpoint(text);

/** Ends the process here, if this is the place and the pass that were named. */
export const failpoint = (name: Failpoint): void => {
  if (!isSet) return;
  const armed = armedFailpoint();
  if (armed?.name !== name) return;
  if (Number.isNaN(left)) left = armed.pass;
  if (--left === 0) process.kill(process.pid, 'SIGKILL');
};
