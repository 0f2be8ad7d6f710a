/** Telemetry (policies.md section 9): what the sidecars of the scope report. Published; not compiled in this version. */
import type { Static } from 'typebox';
import {
  anyText,
  bool,
  duration,
  exactlyOne,
  field,
  integer,
  list,
  map,
  object,
  optional,
  percent,
  text,
  unit,
  yes,
} from './fields.ts';
import { fromCallers, headerMatcher } from './matchers.ts';
import { scope } from './scope.ts';

const sinks = () => ({
  file: optional(object({ path: text('path', undefined, 4096) })),
  als: optional(object({ service: text('serviceTarget') })),
  otlp: optional(object({ service: text('serviceTarget') })),
  kafka: optional(object({ topic: text('token') })),
});

const logMatch = () =>
  object({
    status: optional(object({ min: optional(integer(100, 599)), max: optional(integer(100, 599)) })),
    slower: optional(duration()),
    flags: optional(list(text('token'))),
    grpc: optional(list(integer(0, 16))),
    headers: optional(map('headerName', headerMatcher())),
    from: optional(fromCallers()),
  });

const log = () =>
  unit(
    object({
      ...sinks(),
      percent: optional(percent({ default: 100 })),
      match: optional(logMatch()),
      fields: optional(map('token', anyText(4096))),
      redact: optional(list(text('token'))),
      sides: optional(object({ inbound: optional(bool()), outbound: optional(bool()) })),
    }),
  );

const tag = () =>
  unit(
    exactlyOne(
      object({ header: optional(text('headerName')), literal: optional(anyText(4096)), rule: optional(yes()) }),
      ['header', 'literal', 'rule'],
    ),
  );

const otlp = () => object({ service: text('serviceTarget') });

export const TelemetrySpec = object({
  scope: optional(scope()),
  edges: field(bool({ default: true })),
  logs: field(map('dnsLabel', field(log()))),
  tracing: field(
    object({ percent: field(percent()), otlp: field(unit(otlp())), tags: field(map('token', field(tag()))) }),
  ),
  metrics: field(
    object({
      edges: field(bool({ default: true })),
      routes: field(bool({ default: false })),
      labels: field(map('token', anyText(4096))),
      otlp: field(unit(otlp())),
      keep: field(list(text('token'))),
    }),
  ),
});
export type TelemetrySpec = Static<typeof TelemetrySpec>;

/** Of which a log has exactly one (E801). */
export const LOG_SINKS: readonly string[] = Object.keys(sinks());
