/** Checks the document of a `policy.applied` event by itself; what needs other documents is decided by the fold. */
import { checkDocument, type EventData, type Finding, pointerOf } from '../model/index.ts';

/**
 * Findings of the document. They point into the document, and name it; one too broken to have a name is pointed to below `path`.
 * File and line of the event's data are passed on.
 */
export const documentFindings = (
  data: EventData['policy.applied'],
  path: readonly (string | number)[],
): readonly Finding[] =>
  checkDocument(data.document).map((finding) => ({
    ...finding,
    ...(finding.document === undefined ? { pointer: `${pointerOf(path)}${finding.pointer ?? ''}` } : {}),
    ...(data.file === undefined || finding.file !== undefined ? {} : { file: data.file }),
    ...(data.line === undefined || finding.line !== undefined ? {} : { line: data.line }),
  }));
