/**
 * A trace of strace(1), read as what reached which file when. Calls of several threads overlap: a call has a begin and an end, counted
 * in lines of the trace.
 */

export interface TracedWrite {
  readonly call: 'write';
  readonly file: string;
  readonly at: number;
  readonly bytes: Buffer;
  /** On disk when it returns: the file was opened with O_DSYNC. */
  readonly synced: boolean;
  readonly begin: number;
  readonly end: number;
}

export interface TracedSync {
  readonly call: 'sync';
  readonly file: string;
  readonly begin: number;
  readonly end: number;
}

/** A line that the traced program wrote to stdout. */
export interface TracedLine {
  readonly call: 'line';
  readonly text: string;
  readonly begin: number;
  readonly end: number;
}

export type Traced = TracedWrite | TracedSync | TracedLine;

/** Options of strace that this file reads. */
export const STRACE = [
  '-f',
  '-qq',
  '-y',
  '-xx',
  '-s',
  String(2 ** 24),
  '-e',
  'trace=openat,write,lseek,writev,pwrite64,pwritev,fdatasync,fsync,ftruncate',
  '-e',
  'signal=none',
];

interface Call {
  readonly name: string;
  readonly arguments: string;
  readonly result: string;
  readonly begin: number;
  readonly end: number;
}

/** Joins `… <unfinished ...>` with `<... resumed>`. */
function* calls(trace: string): Generator<Call> {
  const open = new Map<string, { readonly text: string; readonly begin: number }>();
  for (const [at, line] of trace.split('\n').entries()) {
    const [, pid = '', rest = ''] = /^([0-9]+) +(.*)$/s.exec(line) ?? [];
    if (rest.endsWith('<unfinished ...>')) {
      open.set(pid, { text: rest.slice(0, -'<unfinished ...>'.length).trimEnd(), begin: at });
      continue;
    }
    const resumed = /^<\.\.\. [a-z0-9]+ resumed>(.*)$/s.exec(rest);
    const before = resumed === null ? undefined : open.get(pid);
    const text = before === undefined ? rest : `${before.text}${resumed?.[1] ?? ''}`;
    const [, name = '', inside = '', result = ''] = /^([a-z0-9]+)\((.*)\) += (.*)$/s.exec(text) ?? [];
    open.delete(pid);
    // `?`: it never returned, because the process was killed. It may as well not have begun.
    if (name !== '' && result !== '?') yield { name, arguments: inside, result, begin: before?.begin ?? at, end: at };
  }
}

const bytesOf = (quoted: string): Buffer => Buffer.from(quoted.replaceAll('\\x', ''), 'hex');

/** `19<\x2f…>`: number and path of an open file. With `-xx` the path is in hexadecimal too. */
const fileOf = (text: string): { readonly fd: number; readonly path: string } => {
  const [, fd = '-1', path = ''] = /^([0-9]+)<([^>]*)>/.exec(text) ?? [];
  return { fd: Number(fd), path: path.includes('\\x') ? bytesOf(path).toString() : path };
};

/** What the trace says of the files that `wanted` knows, by their path. */
export const readTrace = (trace: string, wanted: (path: string) => boolean): Traced[] => {
  const found: Traced[] = [];
  const synced = new Set<number>();
  /** Where the next `writev` of a file goes. */
  const places = new Map<number, number>();
  for (const call of calls(trace)) {
    const { begin, end } = call;
    if (call.name === 'openat') {
      const opened = fileOf(call.result);
      if (call.arguments.includes('O_DSYNC')) synced.add(opened.fd);
      else synced.delete(opened.fd);
      continue;
    }
    const { fd, path } = fileOf(call.arguments);
    const strings = [...call.arguments.matchAll(/"([^"]*)"/g)].map(([, quoted = '']) => bytesOf(quoted));
    if (fd === 1 && call.name === 'write') {
      found.push({ call: 'line', text: Buffer.concat(strings).toString().trimEnd(), begin, end });
      continue;
    }
    if (!wanted(path)) continue;
    if (call.name === 'fdatasync' || call.name === 'fsync') found.push({ call: 'sync', file: path, begin, end });
    else if (call.name === 'lseek') places.set(fd, Number(call.result));
    else if (['pwrite64', 'pwritev', 'writev'].includes(call.name)) {
      const written = Buffer.concat(strings);
      if (written.length !== Number(call.result))
        throw new Error(`a write was cut: ${call.result} of ${written.length}`);
      const at =
        call.name === 'writev' ? (places.get(fd) ?? Number.NaN) : Number(/, ([0-9]+)$/.exec(call.arguments)?.[1]);
      if (!Number.isSafeInteger(at))
        throw new Error(`nobody knows where ${call.name} wrote: ${call.arguments.slice(-80)}`);
      found.push({ call: 'write', file: path, at, bytes: written, synced: synced.has(fd), begin, end });
    } else throw new Error(`${call.name} of ${path} is not expected`);
  }
  return found;
};
