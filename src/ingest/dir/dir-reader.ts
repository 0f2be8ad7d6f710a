/** One file of the watched directory: its documents, or why it cannot be read. */
import type { Finding } from '../../model/index.ts';
import { documentsOfText } from '../document-set.ts';
import type { FileContent } from './dir-files.ts';
import { readText, reasonOf, type SeenFile } from './scan.ts';

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** Content, errors included; `unreadable` when the disk did not give it: nothing is known of the file then. */
export type ReadFile = { readonly content: FileContent } | { readonly unreadable: Finding };

const problem = (file: SeenFile, code: string, message: string): ReadFile => ({
  content: {
    documents: [],
    findings: [{ code, severity: 'error', message, file: file.path, line: 1, column: 1 }],
    finished: true,
  },
});

export const readDocumentFile = async (directory: string, file: SeenFile): Promise<ReadFile> => {
  if (file.size > MAX_FILE_BYTES)
    return problem(file, 'E106', `the file has ${file.size} bytes, ${MAX_FILE_BYTES} are allowed`);
  try {
    const text = await readText(directory, file.path);
    if (text === undefined) return problem(file, 'E100', 'cannot be read: it is not UTF-8');
    const set = await documentsOfText(text, { file: file.path });
    // Places inside the text would keep all of its syntax tree.
    const documents = set.documents.map(({ locate: _locate, ...document }) => document);
    return { content: { documents, findings: set.findings, finished: text.trim() !== '' && text.endsWith('\n') } };
  } catch (error) {
    const message = `cannot read the file: ${reasonOf(error)}`;
    return { unreadable: { code: 'DIR_UNREADABLE', severity: 'error', message, file: file.path } };
  }
};
