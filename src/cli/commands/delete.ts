/** `tendril delete KIND/NAME` or `-f FILE`. */
import { namespaceOf, parseDocuments, TendrilError } from '../../model/index.ts';
import { CLIENT_OPTIONS, formatOf, type Options, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import { readSources } from '../documents.ts';
import { render } from '../output.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  file: { type: 'string', short: 'f', multiple: true },
  namespace: { type: 'string', short: 'n' },
  reason: { type: 'string', short: 'm' },
};

export const remove: Command = {
  name: 'delete',
  summary: 'delete documents, all or none',
  usage: 'delete KIND[/NAMESPACE]/NAME … | delete -f FILE',
  options: OPTIONS,
  help: [
    '-f FILE             deletes the documents that the file names',
    '-n, --namespace NS  (default: default)',
    '-m, --reason TEXT   why: kept with the events',
    '--server URL, -o table|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('delete', argv, OPTIONS, { min: 0, max: 100, usage: remove.usage });
    const format = formatOf(args);
    const refs = args.positionals.map((word) => documentRef([word], text(args, 'namespace')));
    if (args.values.file !== undefined)
      for (const source of await readSources(args, io)) {
        const { documents, findings } = parseDocuments(source.text, { file: source.name });
        if (findings.some(({ severity }) => severity === 'error'))
          throw new TendrilError('DOCUMENTS_REFUSED', `${source.name} has errors; nothing was deleted`, { findings });
        for (const { document } of documents)
          refs.push({ kind: document.kind, namespace: namespaceOf(document), name: document.metadata.name });
      }
    const named = refs.map(({ kind, namespace, name }) => {
      if (name === undefined) throw new TendrilError('USAGE', `delete ${kind}: name the document: ${kind}/NAME`);
      return { kind, namespace: namespace ?? 'default', name };
    });
    if (named.length === 0) throw new TendrilError('USAGE', 'nothing to delete', { remedy: `tendril ${remove.usage}` });
    const client = clientFor(args, io);
    const reason = text(args, 'reason');
    for (const { kind, namespace, name } of named) await client.request(`/v1/docs/${kind}/${namespace}/${name}`); // 404 says which is missing
    const events = named.map((data) => ({ type: 'policy.deleted', data, ...(reason === undefined ? {} : { reason }) }));
    const { body } = await client.request<{ readonly offsets: readonly number[] }>('/v1/events', {
      method: 'POST',
      body: JSON.stringify({ events }),
    });
    const names = named.map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`);
    io.out(
      render(
        format,
        { deleted: names.map((document, index) => ({ document, offset: body.offsets[index] })) },
        () => names.map((name, index) => `${name} deleted (event ${body.offsets[index]})`).join('\n'),
        () => names,
      ),
    );
    return 0;
  },
};
