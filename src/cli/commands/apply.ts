/** `tendril apply -f FILE`: documents become events, one atomic batch; optionally waits until their holders acknowledged. */
import { type Finding, TendrilError } from '../../model/index.ts';
import { CLIENT_OPTIONS, flag, formatOf, integer, type Options, oneOf, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { located, readGoodDocuments } from '../documents.ts';
import { findingLines } from '../findings.ts';
import { render, table } from '../output.ts';
import { Acknowledgements } from './acknowledgements.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  file: { type: 'string', short: 'f', multiple: true },
  reason: { type: 'string', short: 'm' },
  prune: { type: 'string' },
  wait: { type: 'string' },
  timeout: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'exit-code': { type: 'boolean' },
};

interface Change {
  /** `Kind/namespace/name`. */
  readonly document: string;
  readonly action: 'created' | 'configured' | 'unchanged' | 'deleted';
  /** Of the event, or of the stored document when nothing changed; 0: there is none yet. */
  readonly offset: number;
}

interface Answer {
  readonly results?: readonly Change[];
  readonly findings?: readonly Finding[];
}

const DEFAULT_TIMEOUT_S = 30;
/** Longest `wait` that the HTTP API takes. */
const MAX_TIMEOUT_S = 300;
/** What an answer may take beside the wait. */
const ANSWER_MS = 30_000;

const undecided = (changes: readonly Change[], timeoutS: number): TendrilError => {
  const offsets = changes.filter(({ action }) => action !== 'unchanged').map(({ offset }) => offset);
  const first = Math.min(...offsets);
  return new TendrilError(
    'WAIT_TIMEOUT',
    `the documents are in the log (events ${first} to ${Math.max(...offsets)}), but not in force everywhere after ${timeoutS} s`,
    { remedy: `tendril events --from ${first}` },
  );
};

const tableOf = (changes: readonly Change[], dryRun: boolean): string =>
  table(changes, [
    { title: 'DOCUMENT', value: (change) => change.document },
    { title: 'ACTION', value: (change) => (dryRun ? `${change.action} (dry run)` : change.action) },
    { title: 'EVENT', value: (change) => (change.offset === 0 ? undefined : change.offset), number: true },
  ]);

export const apply: Command = {
  usage: 'apply -f FILE|DIR|- [-f …] [--wait applied|acked]',
  options: OPTIONS,
  help: [
    '-f, --file FILE    YAML or JSON; a directory: all .yaml .yml .json in it; - reads standard input',
    '-m, --reason TEXT  why: kept with the events, shown by why',
    '--wait applied     until all xDS streams see the change; acked: until all sidecars acknowledged it',
    `--timeout S        for --wait (default ${DEFAULT_TIMEOUT_S})`,
    '--prune LABEL      delete your documents with this label (or label=value) that are not among those given',
    '--dry-run          say what would change and what the mesh would say to it; change nothing',
    '--exit-code        exit 2 when something changed (or would)',
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril apply -f mesh/ --wait acked -m "canary to 25 %"', 'cat reviews.yaml | tendril apply -f -'],
  run: async (argv, io) => {
    const args = parse('apply', argv, OPTIONS, { min: 0, max: 0, usage: apply.usage });
    const format = formatOf(args);
    const wait = oneOf(args, 'wait', ['applied', 'acked']);
    const timeoutS = integer(args, 'timeout', 1, MAX_TIMEOUT_S) ?? DEFAULT_TIMEOUT_S;
    const dryRun = flag(args, 'dry-run');
    const client = clientFor(args, io);
    const given = await readGoodDocuments(args, io);
    const deadline = io.now() + timeoutS * 1_000;
    const acknowledgements = wait === 'acked' && !dryRun ? await Acknowledgements.before(client) : undefined;
    const { status, body } = await client.request<Answer>('/v1/docs:apply', {
      method: 'POST',
      body: JSON.stringify({
        documents: given.documents.map(({ document, file, line }) => ({ document, file, line })),
      }),
      query: {
        reason: text(args, 'reason'),
        prune: text(args, 'prune'),
        dryRun: dryRun ? 1 : undefined,
        wait: wait === undefined || dryRun ? undefined : 'applied',
        timeout: wait === undefined ? undefined : `${timeoutS}s`,
      },
      timeoutMs: timeoutS * 1_000 + ANSWER_MS,
      accept: [409],
    });
    const findings = [...given.findings, ...(body.findings ?? []).map((each) => located(each, given.documents))];
    if (status === 409)
      throw new TendrilError('DOCUMENTS_REFUSED', 'the documents do not fit the mesh; nothing was changed', {
        findings,
        remedy: 'correct the places named above; --dry-run tells without writing',
      });
    const changes = body.results ?? [];
    if (status === 202) throw undecided(changes, timeoutS);
    for (const line of findings.flatMap(findingLines)) io.err(line);
    const acked = await acknowledgements?.wait(deadline, timeoutS, io);
    io.out(
      render(
        format,
        { changes, findings, ...(acked === undefined ? {} : { acked }) },
        () => [tableOf(changes, dryRun), ...(acked === undefined ? [] : [acked.summary])].join('\n'),
        () => changes.map(({ document }) => document),
      ),
    );
    const changed = changes.some(({ action }) => action !== 'unchanged');
    if (acked !== undefined && acked.refused.length > 0) {
      io.err(`error REFUSED: ${acked.refused.map(({ id, error }) => `${id}: ${error}`).join('; ')}`);
      io.err(`  try: tendril proxy ${acked.refused[0]?.id}`);
      return 1;
    }
    return flag(args, 'exit-code') && changed ? 2 : 0;
  },
};
