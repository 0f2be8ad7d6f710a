/** `RouteAction.hash_policy` of Envoy -> the text that ringHash and maglev place a call by (policies.md section 5, `hash`). */
import type { HashPolicy } from './messages.ts';
import { unusable } from './refusal.ts';
import type { MatchFacts } from './text-matcher.ts';

type Part = (facts: MatchFacts) => string | undefined;

const cookieOf = (header: string | undefined, name: string): string | undefined => {
  for (const pair of (header ?? '').split(/[;,]/)) {
    const equals = pair.indexOf('=');
    if (equals >= 0 && pair.slice(0, equals).trim() === name)
      return pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return undefined;
};

const partOf = (
  { header, cookie, queryParameter, connectionProperties }: HashPolicy,
  place: string,
  ip: string,
): Part => {
  if (header) {
    if (header.regexRewrite) throw unusable(`${place}.header.regex_rewrite`, 'a part of a header as hash key');
    const name = header.headerName.toLowerCase();
    return (facts) => facts.header(name);
  }
  if (cookie) {
    const name = cookie.name;
    return (facts) => cookieOf(facts.header('cookie'), name);
  }
  if (queryParameter) {
    const name = queryParameter.name;
    return (facts) => facts.query(name);
  }
  if (connectionProperties?.sourceIp) return () => ip;
  throw unusable(place, 'a kind of hash key that this client does not know');
};

/** Key of a call: the parts it has, up to a terminal one; undefined: it has none. `ip`: address that the calls come from. */
export const hashKeyOf = (policies: readonly HashPolicy[], place: string, ip: string): Part => {
  const parts = policies.map((policy, index) => ({
    part: partOf(policy, `${place}[${index}]`, ip),
    terminal: policy.terminal,
  }));
  return (facts) => {
    let key: string | undefined;
    for (const { part, terminal } of parts) {
      const value = part(facts);
      if (value !== undefined) key = key === undefined ? value : `${key}\n${value}`;
      if (terminal && key !== undefined) break;
    }
    return key;
  };
};
