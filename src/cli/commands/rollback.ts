/** `tendril rollback KIND/NAME --to OFFSET --reason …`: a new event that writes a document as it was. Documents only. */
import { CLIENT_OPTIONS, flag, formatOf, integer, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import { render } from '../output.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  namespace: { type: 'string', short: 'n' },
  to: { type: 'string' },
  reason: { type: 'string', short: 'm' },
  'dry-run': { type: 'boolean' },
};

interface Answer {
  readonly results: readonly { readonly document: string; readonly action: string; readonly offset: number }[];
}

export const rollback: Command = {
  usage: 'rollback KIND/[NAMESPACE/]NAME --to OFFSET --reason TEXT',
  options: OPTIONS,
  help: [
    'KIND/NAME           a document; services and endpoints that events registered are not rolled back: register them again',
    '--to OFFSET         as it was behind this event; it is deleted when there was none then (tendril history names offsets)',
    '-m, --reason TEXT   why, for the history',
    '-n, --namespace NS  of the name (default: default)',
    '--dry-run           only say what would happen',
    '--server URL, -o table|wide|json|yaml|name',
    'The log is never rewritten: it is a new event, and answers when all sidecars see it.',
  ],
  examples: ['tendril rollback Route/shop/cart --to 88120 --reason "5xx since the last change"'],
  run: async (argv, io) => {
    const args = parse('rollback', argv, OPTIONS, { min: 1, max: 2, usage: rollback.usage });
    const format = formatOf(args);
    const { kind, namespace = 'default', name } = documentRef(args.positionals, text(args, 'namespace'));
    if (name === undefined) throw usageError('roll back which document?', `tendril get ${kind}`);
    const id = `${kind}/${namespace}/${name}`;
    const to = integer(args, 'to', 1, Number.MAX_SAFE_INTEGER);
    if (to === undefined) throw usageError('--to is missing: the offset to go back to', `tendril history ${id}`);
    const reason = text(args, 'reason');
    if (reason === undefined)
      throw usageError('--reason is missing: the history will show it', `tendril history ${id}`);
    const dryRun = flag(args, 'dry-run');
    const { body } = await clientFor(args, io).request<Answer>(
      `/v1/docs/${[kind, namespace, name].map(encodeURIComponent).join('/')}:rollback`,
      {
        method: 'POST',
        body: JSON.stringify({ to, reason }),
        query: dryRun ? { dryRun: 1 } : { wait: 'applied' },
        remedies: { DOCUMENT_UNKNOWN: `tendril history ${id}`, OFFSET_INVALID: `tendril history ${id}` },
      },
    );
    const [result] = body.results;
    const action = result?.action ?? 'unchanged';
    const at = dryRun || action === 'unchanged' ? '' : `, event ${result?.offset ?? '-'}`;
    io.out(
      render(
        format,
        body,
        () => `${id} ${action}${dryRun ? ' (dry run)' : ''}: as it was at offset ${to}${at}`,
        () => [id],
      ),
    );
    return 0;
  },
};
