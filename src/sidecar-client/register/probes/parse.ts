/**
 * A probe from one line: `http://HOST:PORT/PATH`, `grpc://HOST:PORT[/SERVICE]`, `tcp://HOST:PORT`, `cmd:PROGRAM ARG…`.
 * Of HTTP, a fragment narrows what counts as up and says whose host is asked: `#status=200-299,404&host=cart.shop`.
 */
import { TendrilError } from '../../../model/basics.ts';
import { commandProbe } from './command-probe.ts';
import { grpcProbe } from './grpc-probe.ts';
import { httpProbe } from './http-probe.ts';
import type { Probe } from './probe.ts';
import { tcpProbe } from './tcp-probe.ts';

const invalid = (text: string, what: string): TendrilError =>
  new TendrilError('PROBE_INVALID', `the probe "${text.slice(0, 120)}" ${what}`, {
    remedy:
      'allowed: http://HOST:PORT/PATH (with #status=200-299,404&host=NAME), grpc://HOST:PORT/SERVICE, tcp://HOST:PORT, cmd:PROGRAM ARG…',
  });

/** Words of a command line: blanks separate, quotes hold together, nothing else is special. */
const wordsOf = (text: string, line: string): readonly string[] => {
  const words = [...line.matchAll(/\s*((?:[^\s"']|"[^"]*"|'[^']*')+)/gy)].map(([, word = '']) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );
  const taken = [...line.matchAll(/\s*((?:[^\s"']|"[^"]*"|'[^']*')+)/gy)].reduce((sum, [all]) => sum + all.length, 0);
  if (line.slice(taken).trim() !== '') throw invalid(text, 'has a quote that is not closed');
  if ((words[0] ?? '') === '') throw invalid(text, 'names no program');
  return words;
};

const statusesOf = (text: string, list: string): readonly (readonly [number, number])[] =>
  list.split(',').map((part) => {
    const [, from = '', to = from] = /^([0-9]{3})(?:-([0-9]{3}))?$/.exec(part.trim()) ?? [];
    const range = [Number(from), Number(to)] as const;
    if (range[0] < 100 || range[1] > 599 || range[0] > range[1])
      throw invalid(text, `has the status "${part.slice(0, 20)}"; allowed: 100 to 599, or a range such as 200-299`);
    return range;
  });

const httpOf = (text: string): Probe => {
  if (!URL.canParse(text)) throw invalid(text, 'is not a URL');
  const url = new URL(text);
  const more = new URLSearchParams(url.hash.slice(1));
  url.hash = '';
  for (const key of more.keys())
    if (key !== 'status' && key !== 'host') throw invalid(text, `has "${key}" behind #; allowed: status, host`);
  const [status, host] = [more.get('status'), more.get('host')];
  return httpProbe({
    url,
    ...(status === null ? {} : { statuses: statusesOf(text, status) }),
    ...(host === null ? {} : { host }),
  });
};

/** Throws `PROBE_INVALID`. */
export const parseProbe = (text: string): Probe => {
  const [, kind = '', rest = ''] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  switch (kind) {
    case 'http':
    case 'https':
      return httpOf(text);
    case 'cmd':
      return commandProbe(wordsOf(text, rest));
    case 'grpc':
    case 'tcp': {
      const [, six, four, port = '', path = ''] =
        /^(?:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^/:[\]\s]+)):([0-9]{1,5})(?:\/(.*))?$/.exec(rest) ?? [];
      const host = six ?? four;
      if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
        throw invalid(text, `names no address; allowed: ${kind}://HOST:PORT`);
      if (kind === 'grpc') return grpcProbe(host, Number(port), path);
      if (path !== '') throw invalid(text, 'has a path; a TCP probe only connects');
      return tcpProbe(host, Number(port));
    }
    default:
      throw invalid(text, 'is of no known kind');
  }
};
