/** Access (policies.md section 6): who may call this service. Published; not compiled in this version. */
import { type Static, Type } from 'typebox';
import {
  additive,
  anyText,
  bool,
  duration,
  exactlyOne,
  field,
  list,
  map,
  object,
  optional,
  sticky,
  text,
  unit,
} from './fields.ts';
import { accessMatch, fromCallers, textMatcher } from './matchers.ts';
import { scope } from './scope.ts';

const claims = () =>
  Type.Object(
    { provider: text('dnsLabel') },
    {
      additionalProperties: Type.Union([
        textMatcher(),
        object({ has: anyText(4096, 'The claim is a list that contains this.') }),
      ]),
    },
  );

const ips = () => object({ direct: optional(list(text('cidr'))), client: optional(list(text('cidr'))) });

const parts = () => ({
  from: optional(fromCallers()),
  match: optional(accessMatch()),
  claims: optional(claims()),
  ips: optional(ips()),
});

const rule = () =>
  unit(
    object({
      ...parts(),
      roles: optional(list(text('dnsLabel'), { min: 1 })),
      shadow: optional(bool({ default: false })),
    }),
  );

const provider = () =>
  object({
    issuer: field(anyText(1024)),
    audiences: field(list(anyText(1024))),
    jwks: field(
      unit(
        exactlyOne(
          object({
            uri: optional(anyText(2048)),
            inline: optional(anyText(65_536)),
            service: optional(text('serviceTarget')),
          }),
          ['uri', 'inline', 'service'],
        ),
      ),
    ),
    header: field(text('headerName')),
    cache: field(duration({ default: '5m' })),
    skew: field(duration({ off: true, default: '1m' })),
    required: field(bool({ default: false })),
  });

export const AccessSpec = object({
  scope: optional(scope()),
  denyByDefault: field(sticky(bool({ default: false }))),
  allow: field(additive(map('dnsLabel', rule()))),
  deny: field(additive(map('dnsLabel', rule()))),
  shadow: field(bool({ default: false })),
  roles: field(map('dnsLabel', field(unit(object(parts()))))),
  jwt: field(map('dnsLabel', field(provider()))),
});
export type AccessSpec = Static<typeof AccessSpec>;
