/** What became of events, as an answer: 200, 202 (durable, not decided or not visible yet), 409 or 412 with findings. */
import type { Finding } from '../model/index.ts';
import type { SubmitAnswer } from './ports.ts';
import { problemOf } from './problem.ts';
import type { Answer } from './route.ts';

const MAX_FINDINGS = 100;

/** What the answer's offset stands for in the ETag: the last event of the batch. */
const lastOffset = (answer: SubmitAnswer): number | undefined => answer.offsets.at(-1);

export interface WriteAnswerOptions {
  /** The request had If-Match or If-None-Match: a broken `expect` is 412, not 409. */
  readonly conditional?: boolean;
  readonly request: string;
}

export const writeAnswer = (
  answer: SubmitAnswer & { readonly results?: readonly unknown[]; readonly dryRun?: boolean },
  options: WriteAnswerOptions,
): Answer => {
  const more = {
    ...(answer.results === undefined ? {} : { results: answer.results }),
    ...(answer.dryRun === true ? { dryRun: true } : {}),
  };
  const findings = answer.findings.slice(0, MAX_FINDINGS);
  if (answer.result === 'rejected') {
    const culprit = answer.events.find(
      (event) => event.status === 'quarantined' || (event.status === 'rejected' && event.code !== 'batch'),
    );
    const first: Finding | undefined = findings.find((finding) => finding.severity === 'error');
    const code = culprit?.code ?? first?.code ?? 'rejected';
    const conditional = options.conditional === true && (code === 'expect' || first?.code === 'expect');
    const status = conditional ? 412 : 409;
    const detail = first?.message ?? culprit?.message ?? 'the events were rejected';
    const problem = problemOf(status, code, detail, { findings, remedy: first?.hint, request: options.request });
    return { status, body: { ...problem, offsets: answer.offsets, events: answer.events, ...more } };
  }
  const etag = lastOffset(answer);
  return {
    status: answer.result === 'pending' ? 202 : 200,
    body: { offsets: answer.offsets, events: answer.events, ...more, ...(findings.length === 0 ? {} : { findings }) },
    ...(etag === undefined ? {} : { etag }),
  };
};
