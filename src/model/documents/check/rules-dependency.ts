/** What a Dependency document alone can get wrong beyond its shape (policies.md section 7). */
import { compareText, isObject } from '../json.ts';
import type { DependencySpec } from '../schema/index.ts';
import { parseDependencyTarget } from '../text/target.ts';
import type { FindingSink } from './finding-sink.ts';

const checkPinAndDeny = (
  sink: FindingSink,
  entry: { readonly pin?: boolean | null; readonly deny?: boolean | null },
  below: readonly string[],
): void => {
  if (entry.pin === true && entry.deny === true) {
    sink.report('E603', 'pin and deny together: an edge that is never delivered cannot be kept.', [...below, 'deny']);
  }
};

export const checkDependency = (sink: FindingSink, spec: DependencySpec, document: string): void => {
  const { path } = sink;
  path.push('spec');
  const localPorts = new Map<number, string>();
  for (const [key, target] of Object.entries(spec.to ?? {}).sort(([a], [b]) => compareText(a, b))) {
    if (!isObject(target)) continue;
    checkPinAndDeny(sink, target, ['to', key]);
    const { localPort } = target;
    if (typeof localPort !== 'number') continue;
    if (parseDependencyTarget(key)?.glob === true) {
      sink.report('E102', `localPort needs one service, but "${key}" stands for several.`, ['to', key, 'localPort']);
    }
    const other = localPorts.get(localPort);
    if (other !== undefined) {
      sink.report(
        'E601',
        `localPort ${localPort} of "${key}" is taken by the edge to "${other}".`,
        ['to', key, 'localPort'],
        {
          related: [{ document, pointer: `/spec/to/${other}/localPort` }],
        },
      );
    } else localPorts.set(localPort, key);
  }
  for (const [name, selector] of Object.entries(spec.select ?? {})) {
    if (isObject(selector)) checkPinAndDeny(sink, selector, ['select', name]);
  }
  path.pop();
};
