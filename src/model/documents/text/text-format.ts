/** Grammars of texts: is this text of that form, and if not, what is allowed? (policies.md section 1) */
import { isDnsLabel, parseServiceName, parseTarget } from '../../names.ts';
import type { Marks, TextFormat } from '../schema/marks.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { re2Problem } from './re2.ts';
import { parseDependencyTarget, parseRouteTarget } from './target.ts';

/** What is wrong. `allowed` completes "allowed is …". */
export interface TextProblem {
  readonly code: string;
  readonly allowed: string;
}

interface Format {
  readonly allowed: string;
  readonly test: (text: string) => boolean;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const IPV6_GROUP = /^[0-9A-Fa-f]{1,4}$/;
/** RFC 9110 token, and a leading colon for HTTP/2 pseudo-headers, which may be matched. */
const HEADER_NAME = /^:?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/;
const TOKEN = /^[\x21-\x7e\u00a0-\uffff]+$/;
const GRPC_SERVICE = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;

const isIpv6 = (text: string): boolean => {
  if (text.length > 45) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [index, half] of halves.entries()) {
    if (half === '') continue;
    const parts = half.split(':');
    for (const [position, part] of parts.entries()) {
      const last = index === halves.length - 1 && position === parts.length - 1;
      if (last && part.includes('.')) {
        if (!IPV4.test(part)) return false;
        groups += 2;
      } else if (IPV6_GROUP.test(part)) groups++;
      else return false;
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
};

const isIp = (text: string): boolean => IPV4.test(text) || isIpv6(text);

const isCidr = (text: string): boolean => {
  const [address, bits, more] = text.split('/');
  if (address === undefined || bits === undefined || more !== undefined || !/^[0-9]{1,3}$/.test(bits)) return false;
  if (IPV4.test(address)) return Number(bits) <= 32;
  return isIpv6(address) && Number(bits) <= 128;
};

/** DNS name in lower case without wildcard. */
const isHost = (text: string): boolean => text.length <= 253 && text.split('.').every(isDnsLabel);

const isAccount = (text: string): boolean => {
  const parts = text.split('/');
  return parts.length === 2 && parts.every(isDnsLabel);
};

const FORMATS: Readonly<Record<Exclude<TextFormat, 'duration' | 'regex'>, Format>> = {
  dnsLabel: { allowed: 'a DNS label: 1..63 of a-z, 0-9 and -, no - at either end', test: isDnsLabel },
  // A foreign namespace has its own code (E202), so it must get past the grammar.
  scopeService: {
    allowed: 'the name of a service of metadata.namespace',
    test: (text) => isDnsLabel(text) || parseServiceName(text) !== undefined,
  },
  labelKey: { allowed: 'a label name of 1..63 characters', test: (text) => text.length >= 1 && text.length <= 63 },
  routeTarget: {
    allowed: '<subset>, <service>.<namespace>[:port][/<subset>], or *',
    test: (text) => parseRouteTarget(text) !== undefined,
  },
  dependencyTarget: {
    allowed: '<service>.<namespace>[:port], with * for a whole label',
    test: (text) => parseDependencyTarget(text) !== undefined,
  },
  service: { allowed: '<service>.<namespace>', test: (text) => parseServiceName(text) !== undefined },
  serviceTarget: { allowed: '<service>.<namespace>[:port]', test: (text) => parseTarget(text) !== undefined },
  account: { allowed: '<namespace>/<serviceAccount>', test: isAccount },
  cidr: { allowed: 'an address range such as 10.0.0.0/8 or fd00::/8', test: isCidr },
  ip: { allowed: 'an IPv4 or IPv6 address', test: isIp },
  portNumber: { allowed: 'a port 1..65535', test: (text) => /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65535 },
  host: { allowed: 'a DNS name in lower case, without wildcard', test: isHost },
  path: {
    allowed: 'a path that starts with /, without ? and #',
    test: (text) => text.startsWith('/') && !/[?#\s]/.test(text),
  },
  headerName: { allowed: 'a header name', test: (text) => HEADER_NAME.test(text) },
  method: { allowed: 'an HTTP method such as GET', test: (text) => /^[A-Z][A-Z-]*$/.test(text) },
  grpcService: {
    allowed: 'the full name of a gRPC interface such as shop.Cart',
    test: (text) => GRPC_SERVICE.test(text),
  },
  grpcMethod: { allowed: 'the name of a gRPC method', test: (text) => /^[A-Za-z_]\w*$/.test(text) },
  sha256: { allowed: '64 hexadecimal digits', test: (text) => /^[0-9a-f]{64}$/.test(text) },
  token: { allowed: 'a text without spaces', test: (text) => TOKEN.test(text) },
};

const durationProblem = (text: string, marks: Marks): TextProblem | undefined => {
  const ms = parseDuration(text);
  const low = marks.minMs ?? 0;
  const high = marks.maxMs ?? Number.MAX_SAFE_INTEGER;
  const offWord = marks.off === true ? ', or 0s to switch it off' : '';
  if (ms === undefined) {
    return {
      code: 'E104',
      allowed: `a duration: number and ms, s, m or h, in whole milliseconds, such as 1.5s${offWord}`,
    };
  }
  if (ms === 0 && marks.off === true) return undefined;
  if (ms >= low && ms <= high) return undefined;
  return { code: 'E104', allowed: `${formatDuration(low)}..${formatDuration(high)}${offWord}` };
};

/** Undefined: the text is of that form. */
export const textProblem = (format: TextFormat, text: string, marks: Marks): TextProblem | undefined => {
  if (format === 'duration') return durationProblem(text, marks);
  if (format === 'regex') {
    const problem = re2Problem(text);
    return problem === undefined ? undefined : { code: 'E203', allowed: `RE2 syntax (${problem})` };
  }
  const grammar = FORMATS[format];
  return grammar.test(text) ? undefined : { code: 'E104', allowed: grammar.allowed };
};
