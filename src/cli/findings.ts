/** How a finding reads on a terminal. */
import type { Finding } from '../model/basics.ts';

/** `file:line:column: error E101: message [/pointer]` and, below it, what to do. */
export const findingLines = (finding: Finding): string[] => {
  const place = [finding.file ?? finding.document, finding.line, finding.column]
    .filter((part) => part !== undefined)
    .join(':');
  const pointer = finding.pointer === undefined || finding.pointer === '' ? '' : ` [${finding.pointer}]`;
  return [
    `${place === '' ? '' : `${place}: `}${finding.severity} ${finding.code}: ${finding.message}${pointer}`,
    ...(finding.hint === undefined ? [] : [`  try: ${finding.hint}`]),
  ];
};
