/** `tendril apply -f FILE`: documents become events, one atomic batch; optionally waits until their holders acknowledged. */
import { isDeepStrictEqual } from 'node:util';
import {
  type Finding,
  keyOf,
  namespaceOf,
  type ParsedDocument,
  parseDocuments,
  TendrilError,
} from '../../model/index.ts';
import { type Arguments, CLIENT_OPTIONS, flag, formatOf, integer, type Options, parse, text } from '../arguments.ts';
import { type AdminClient, clientFor } from '../client.ts';
import type { Command, Io } from '../command.ts';
import { readSources } from '../documents.ts';
import { findingLines } from '../findings.ts';
import { plural, render, table } from '../output.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  file: { type: 'string', short: 'f', multiple: true },
  reason: { type: 'string', short: 'm' },
  wait: { type: 'string' },
  timeout: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'exit-code': { type: 'boolean' },
};

interface Change {
  readonly document: string;
  readonly action: 'created' | 'changed' | 'unchanged';
  offset: number | undefined;
}

interface SubmitAnswer {
  readonly offsets: readonly number[];
  readonly events: readonly { readonly offset: number; readonly status: string }[];
  readonly findings?: readonly Finding[];
}

const DEFAULT_TIMEOUT_S = 30;
const POLL_MS = 100;

const pathOf = (parsed: ParsedDocument): string =>
  `/v1/docs/${parsed.document.kind}/${namespaceOf(parsed.document)}/${parsed.document.metadata.name}`;

const actionOf = async (client: AdminClient, parsed: ParsedDocument): Promise<Change['action']> => {
  const { status, body } = await client.request<{ readonly document?: unknown }>(pathOf(parsed), { accept: [404] });
  if (status === 404) return 'created';
  return isDeepStrictEqual(body.document, JSON.parse(JSON.stringify(parsed.document))) ? 'unchanged' : 'changed';
};

/** Waits until no connected sidecar owes an acknowledgement; resolves with the counts it last saw. */
const waitAcked = async (client: AdminClient, timeoutS: number, io: Io): Promise<string> => {
  const deadline = io.now() + timeoutS * 1_000;
  for (;;) {
    const states: string[] = [];
    for await (const proxy of client.pages<{ readonly state: string }>('/v1/proxies', 'proxies'))
      states.push(proxy.state);
    const count = (state: string): number => states.filter((candidate) => candidate === state).length;
    const connected = states.length - count('offline');
    if (count('refused') > 0)
      return `acknowledged by ${count('in-sync')} of ${plural(connected, 'sidecar')}, REFUSED by ${count('refused')}; next: tendril proxies`;
    if (count('pending') === 0) return `acknowledged: all of ${plural(connected, 'sidecar')} in sync`;
    if (io.now() > deadline || io.signal.aborted)
      throw new TendrilError(
        'WAIT_TIMEOUT',
        `${plural(count('pending'), 'sidecar')} of ${connected} had not acknowledged after ${timeoutS} s`,
        {
          remedy: 'tendril proxies',
        },
      );
    await new Promise((next) => setTimeout(next, POLL_MS));
  }
};

const submit = async (
  client: AdminClient,
  args: Arguments,
  parsed: readonly ParsedDocument[],
): Promise<SubmitAnswer> => {
  const reason = text(args, 'reason');
  const events = parsed.map(({ document, file, line }) => ({
    type: 'policy.applied',
    data: { document, ...(file === undefined ? {} : { file, line }) },
    ...(reason === undefined ? {} : { reason }),
  }));
  const wait = text(args, 'wait');
  const { body } = await client.request<SubmitAnswer>('/v1/events', {
    method: 'POST',
    body: JSON.stringify({ events }),
    query: { wait: wait === undefined ? undefined : 'applied' },
  });
  return body;
};

export const apply: Command = {
  name: 'apply',
  summary: 'apply documents, all or none',
  usage: 'apply -f FILE|DIR|- [-f …] [--wait acked]',
  options: OPTIONS,
  help: [
    '-f FILE            YAML or JSON; a directory: all .yaml .yml .json in it; - reads standard input',
    '-m, --reason TEXT  why: kept with the events, shown by why',
    '--wait applied     until all xDS streams see the change; acked: until all sidecars acknowledged it',
    `--timeout S        for --wait (default ${DEFAULT_TIMEOUT_S})`,
    '--dry-run          say what would change, change nothing',
    '--exit-code        exit 2 when something changed',
    '--server URL, -o table|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('apply', argv, OPTIONS, { min: 0, max: 0, usage: apply.usage });
    const format = formatOf(args);
    const wait = text(args, 'wait');
    if (wait !== undefined && wait !== 'applied' && wait !== 'acked')
      throw new TendrilError('USAGE', `--wait is "${wait}"; allowed: applied, acked`);
    const timeout = integer(args, 'timeout', 1, 3_600) ?? DEFAULT_TIMEOUT_S;
    const client = clientFor(args, io);
    const results = (await readSources(args, io)).map((source) => parseDocuments(source.text, { file: source.name }));
    const findings = results.flatMap((result) => result.findings);
    if (findings.some(({ severity }) => severity === 'error'))
      throw new TendrilError('DOCUMENTS_REFUSED', 'documents have errors; nothing was applied', { findings });
    const parsed = results.flatMap((result) => result.documents);
    const changes: Change[] = [];
    for (const each of parsed)
      changes.push({ document: keyOf(each.document), action: await actionOf(client, each), offset: undefined });
    const wanted = parsed.filter((_, index) => changes[index]?.action !== 'unchanged');
    if (wanted.length > 0 && !flag(args, 'dry-run')) {
      const answer = await submit(client, args, wanted);
      findings.push(...(answer.findings ?? []));
      const open = changes.filter(({ action }) => action !== 'unchanged');
      for (const [index, change] of open.entries()) change.offset = answer.offsets[index];
    }
    const acked =
      wait === 'acked' && wanted.length > 0 && !flag(args, 'dry-run')
        ? await waitAcked(client, timeout, io)
        : undefined;
    for (const line of findings.flatMap(findingLines)) io.err(line);
    io.out(
      render(
        format,
        { changes, findings, ...(acked === undefined ? {} : { acked }) },
        () =>
          [
            table(changes, [
              { title: 'DOCUMENT', value: (change) => change.document },
              {
                title: 'ACTION',
                value: (change) => (flag(args, 'dry-run') ? `would be ${change.action}` : change.action),
              },
              { title: 'OFFSET', value: (change) => change.offset, number: true },
            ]),
            ...(acked === undefined ? [] : [acked]),
          ].join('\n'),
        () => changes.map(({ document }) => document),
      ),
    );
    return flag(args, 'exit-code') && wanted.length > 0 ? 2 : 0;
  },
};
