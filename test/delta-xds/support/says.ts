/**
 * A transcript inside a test: the author's lines and what the session must say to them, in the notation of `transcript.ts`. When the
 * session wants to look again (`! timer`) is left out, and so is the hash that is a state's version: no rule of the protocol says them.
 */
import assert from 'node:assert/strict';
import { replay } from './transcript.ts';

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim().replace(/^(< \S+ [0-9]+) \([\w-]{16}\)/, '$1'))
    .filter((line) => line !== '' && !line.startsWith('! timer'));

/** Asserts that the conversation goes exactly as written. */
export const says = (conversation: string): void => {
  const expected = linesOf(conversation);
  assert.ok(
    expected.some((line) => line.startsWith('> ')),
    'a conversation in which the client says nothing shows nothing',
  );
  assert.deepEqual(linesOf(replay(expected.join('\n'))), expected);
};
