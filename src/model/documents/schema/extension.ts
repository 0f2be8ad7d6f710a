/** Extension (policies.md section 10): foreign code or a raw filter. Published; not compiled in this version. */
import { type Static, Type } from 'typebox';
import {
  anyText,
  bool,
  duration,
  exactlyOne,
  field,
  integer,
  labels,
  map,
  object,
  optional,
  text,
  unit,
  yes,
} from './fields.ts';
import { accessMatch } from './matchers.ts';
import { scope } from './scope.ts';

const MAX_LUA = 65_536;

const filter = () => {
  const words = {
    wasm: optional(
      exactlyOne(
        object({
          service: optional(text('serviceTarget')),
          file: optional(anyText(4096)),
          sha256: optional(text('sha256')),
          config: optional(Type.Unknown()),
        }),
        ['service', 'file'],
      ),
    ),
    lua: optional(object({ code: Type.String({ minLength: 1, maxLength: MAX_LUA }) })),
    extProc: optional(object({ service: text('serviceTarget'), headers: optional(bool()), body: optional(bool()) })),
    extAuthz: optional(object({ service: text('serviceTarget'), bodyBytes: optional(integer(0)) })),
    envoy: optional(Type.Object({ '@type': anyText(512) }, { additionalProperties: Type.Unknown() })),
  };
  return unit(
    exactlyOne(
      object({
        ...words,
        side: optional(object({ inbound: optional(yes()), outbound: optional(yes()) })),
        order: optional(integer(-1_000_000, 1_000_000, { default: 0 })),
        failOpen: optional(bool()),
        timeout: optional(duration({ minMs: 1, maxMs: 10_000, default: '200ms' })),
        match: optional(accessMatch()),
        select: optional(labels()),
      }),
      Object.keys(words),
    ),
  );
};

export const ExtensionSpec = object({
  /** Required: foreign code never spreads by default. */
  scope: scope(),
  filters: field(map('dnsLabel', field(filter()))),
});
export type ExtensionSpec = Static<typeof ExtensionSpec>;
