export * from './json.ts';
export * from './kinds.ts';
export * from './mesh-lookup.ts';
export * from './resolved.ts';
