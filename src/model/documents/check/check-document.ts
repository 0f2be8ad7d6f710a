/** Checks one document by itself: everything that needs no other document (policies.md section 1, E101-E107, and per kind). */
import type { Finding } from '../../finding.ts';
import { isDnsLabel, parseServiceName } from '../../names.ts';
import { DEFAULT_NAMESPACE, type PolicyDocument } from '../document.ts';
import { isForbiddenKey, isObject } from '../json.ts';
import { API_VERSION, COMPILED_KINDS, documentKey, isCompiledKind, isKind, KINDS, type Kind } from '../kinds.ts';
import type { SpecOf } from '../schema/index.ts';
import { nearestWord } from '../text/suggest.ts';
import { checkShape } from './check-shape.ts';
import { createFindingSink, type FindingSink } from './finding-sink.ts';
import { isWalkable } from './guard.ts';
import { checkDependency } from './rules-dependency.ts';
import { checkAccess, checkExtension, checkRateLimit, checkTelemetry } from './rules-later.ts';
import { checkRoute } from './rules-route.ts';
import { checkService } from './rules-service.ts';
import { checkUpstream } from './rules-upstream.ts';
import { metadataShape, specShape } from './shape.ts';
import { show } from './wording.ts';

export interface CheckOptions {
  /** Store kinds and fields that this version does not compile, without effect, instead of refusing them (`--inert`). */
  readonly inert?: boolean;
}

const ENVELOPE: readonly string[] = ['apiVersion', 'kind', 'metadata', 'spec'];

/** `Kind/namespace/name`, as far as it can be read from a value that may be wrong everywhere. */
export const readableKey = (value: unknown): string | undefined => {
  const metadata = isObject(value) ? value.metadata : undefined;
  if (!isObject(value) || !isObject(metadata) || !isKind(value.kind)) return undefined;
  const { name, namespace } = metadata;
  const space = namespace === undefined ? DEFAULT_NAMESPACE : namespace;
  if (typeof name !== 'string' || typeof space !== 'string' || !isDnsLabel(name) || !isDnsLabel(space))
    return undefined;
  return documentKey(value.kind, space, name);
};

const checkEnvelope = (sink: FindingSink, value: Record<string, unknown>, inert: boolean): Kind | undefined => {
  for (const key of Object.keys(value)) {
    if (ENVELOPE.includes(key) || isForbiddenKey(key)) continue;
    const meant = nearestWord(key, ENVELOPE);
    const help = meant === undefined ? `known are ${ENVELOPE.join(', ')}` : `did you mean ${meant}?`;
    sink.report('E101', `Unknown field "${key}" (${help}).`, [key]);
  }
  const { apiVersion, kind, metadata } = value;
  if (apiVersion === undefined)
    sink.report('E103', `"apiVersion" is missing, allowed is ${API_VERSION}.`, ['apiVersion']);
  else if (apiVersion !== API_VERSION) {
    sink.report('E102', `"apiVersion" is ${show(apiVersion)}, allowed is ${API_VERSION}.`, ['apiVersion']);
  }
  if (metadata === undefined) sink.report('E103', '"metadata" is missing.', ['metadata']);
  else {
    sink.path.push('metadata');
    checkShape({ sink, inert }, metadataShape, metadata);
    sink.path.pop();
  }
  if (kind === undefined) {
    sink.report('E103', `"kind" is missing, allowed is ${KINDS.join(', ')}.`, ['kind']);
    return undefined;
  }
  if (!isKind(kind)) {
    const meant = typeof kind === 'string' ? nearestWord(kind, KINDS) : undefined;
    const question = meant === undefined ? '' : ` (did you mean ${meant}?)`;
    sink.report('E102', `"kind" is ${show(kind)}${question}, allowed is ${KINDS.join(', ')}.`, ['kind']);
    return undefined;
  }
  if (!isCompiledKind(kind) && !inert) {
    sink.report(
      'E107',
      `Kind ${kind} has its shape but is not compiled in this version (${COMPILED_KINDS.join(', ')} are), so it would have no effect: refused.`,
      ['kind'],
      { hint: 'leave it out: a later version compiles it' },
    );
  }
  return kind;
};

const checkScope = (sink: FindingSink, spec: Record<string, unknown>, metadata: unknown): void => {
  const scope = spec.scope;
  if (!isObject(scope)) return;
  if (scope.port !== undefined && scope.service === undefined) {
    sink.report('E103', 'scope.port needs scope.service.', ['spec', 'scope', 'port']);
  }
  const named = typeof scope.service === 'string' ? parseServiceName(scope.service) : undefined;
  if (named === undefined) return;
  const own = isObject(metadata) && typeof metadata.namespace === 'string' ? metadata.namespace : DEFAULT_NAMESPACE;
  if (named.namespace !== own) {
    sink.report(
      'E202',
      `scope names service ${named.name} of namespace ${named.namespace}, but the document is of namespace ${own}.`,
      ['spec', 'scope', 'service'],
      { hint: `set metadata.namespace: ${named.namespace}` },
    );
  } else {
    sink.report(
      'E104',
      `scope.service is ${show(scope.service)}, it is written without the namespace.`,
      ['spec', 'scope', 'service'],
      {
        hint: `service: ${named.name}`,
      },
    );
  }
};

const checkRules = (sink: FindingSink, kind: Kind, spec: unknown, key: string): void => {
  switch (kind) {
    case 'Service':
      checkService(sink, spec as SpecOf<'Service'>);
      break;
    case 'Route':
      checkRoute(sink, spec as SpecOf<'Route'>, key);
      break;
    case 'Upstream':
      checkUpstream(sink, spec as SpecOf<'Upstream'>, key);
      break;
    case 'Dependency':
      checkDependency(sink, spec as SpecOf<'Dependency'>, key);
      break;
    case 'Access':
      checkAccess(sink, spec as SpecOf<'Access'>);
      break;
    case 'RateLimit':
      checkRateLimit(sink, spec as SpecOf<'RateLimit'>);
      break;
    case 'Telemetry':
      checkTelemetry(sink, spec as SpecOf<'Telemetry'>);
      break;
    case 'Extension':
      checkExtension(sink, spec as SpecOf<'Extension'>);
      break;
  }
};

/**
 * Findings of one document; empty when all is good. Never throws, whatever the value is.
 * @param value parsed JSON or YAML
 */
export const checkDocument = (value: unknown, options: CheckOptions = {}): Finding[] => {
  const inert = options.inert === true;
  const key = readableKey(value);
  const sink = createFindingSink(key);
  if (!isObject(value)) {
    sink.report('E102', `A document is an object with apiVersion, kind, metadata and spec; found ${show(value)}.`);
    return sink.findings;
  }
  if (!isWalkable(value, sink)) return sink.findings;
  const kind = checkEnvelope(sink, value, inert);
  const spec = value.spec;
  if (spec === undefined) sink.report('E103', '"spec" is missing.', ['spec']);
  if (kind === undefined || spec === undefined) return sink.findings;
  sink.path.push('spec');
  // Of a kind that is refused as a whole, the single fields need not say so again.
  checkShape({ sink, inert: inert || !isCompiledKind(kind) }, specShape(kind), spec);
  sink.path.pop();
  if (isObject(spec)) checkScope(sink, spec, value.metadata);
  // The rules below rely on the shape; with a wrong one they would only repeat it.
  if (!sink.isShapeBroken()) checkRules(sink, kind, spec, key ?? '');
  return sink.findings;
};

export const hasErrors = (findings: readonly Finding[]): boolean =>
  findings.some((finding) => finding.severity === 'error');

export type CheckedDocument =
  | { readonly ok: true; readonly document: PolicyDocument; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** As `checkDocument`, and the value as a typed document when it has no error (warnings may remain). */
export const readDocument = (value: unknown, options: CheckOptions = {}): CheckedDocument => {
  const findings = checkDocument(value, options);
  return hasErrors(findings) ? { ok: false, findings } : { ok: true, document: value as PolicyDocument, findings };
};
