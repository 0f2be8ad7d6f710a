export {
  type CheckedDocument,
  type CheckOptions,
  checkDocument,
  hasErrors,
  readableKey,
  readDocument,
} from './check/check-document.ts';
export { MAX_FINDINGS } from './check/finding-sink.ts';
export { MAX_DEPTH, MAX_DOCUMENT_BYTES } from './check/guard.ts';
export { crossErrors, crossWarnings, type DocumentChange, MAX_CROSS_FINDINGS } from './cross-check.ts';
export { DEFAULT_NAMESPACE, isOfKind, keyOf, namespaceOf, type PolicyDocument } from './document.ts';
export * from './json.ts';
export * from './kinds.ts';
export { BUILT_IN } from './merge/built-in.ts';
export { type Effective, type EffectiveVariant, effective, type MergeOptions } from './merge/effective.ts';
export { type Conflict, conflicts, leavesAndUnits } from './merge/leaves.ts';
export * from './mesh-lookup.ts';
export {
  MAX_TEXT_LENGTH,
  type ParsedDocument,
  type ParseOptions,
  type ParseResult,
  type Place,
  parseDocuments,
  type RefusedDocument,
} from './parse-documents.ts';
export { applyPatch, MAX_PATCH_OPERATIONS, type PatchResult } from './patch.ts';
export { resolveDependency } from './resolve/resolve-dependency.ts';
export { type RoutePort, resolveRoute } from './resolve/resolve-route.ts';
export { resolveUpstream, UNLIMITED } from './resolve/resolve-upstream.ts';
export * from './resolved.ts';
export { type FieldInfo, fieldsOf } from './schema/explain.ts';
export {
  type AccessSpec,
  type DependencySpec,
  type ExtensionSpec,
  jsonSchemaOf,
  type RateLimitSpec,
  type RouteSpec,
  type ServiceSpec,
  type SpecOf,
  type TelemetrySpec,
  type UpstreamSpec,
} from './schema/index.ts';
export * from './scope.ts';
export { formatDuration, fractionOf, parseDuration } from './text/duration.ts';
export { nearestWord } from './text/suggest.ts';
export {
  type DependencyTarget,
  parseDependencyTarget,
  parseRouteTarget,
  type RouteTarget,
  takesService,
} from './text/target.ts';
