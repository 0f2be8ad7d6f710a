/** Every transcript says what the session says today. UPDATE_TRANSCRIPTS=1 writes them anew, for review as a diff. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../support/root.ts';
import { replay } from './support/transcript.ts';

const folder = join(repositoryRoot, 'test/delta-xds/transcripts');
const files = readdirSync(folder).filter((file) => file.endsWith('.txt'));

test('there are transcripts', () => assert.ok(files.length >= 20));

for (const file of files)
  test(file.replace('.txt', '').replaceAll('-', ' '), () => {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    const today = replay(text);
    if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(path, today);
    else assert.equal(today, text);
  });
