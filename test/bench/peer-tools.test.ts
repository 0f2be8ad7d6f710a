/** The comparison with go-control-plane, where its tools or Go are missing: what is missing is said. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findTools } from '../../bench/peers/tools.ts';

test('without the sources, and without Go, findTools says what is missing', () => {
  const root = mkdtempSync(join(tmpdir(), 'tendril-peers-'));
  const before = process.env.PATH;
  try {
    mkdirSync(join(root, 'empty'));
    assert.match(String(findTools(root, 'empty')), /no peerbench at .*empty: name its folder with --peerbench DIR/);
    mkdirSync(join(root, 'sources'));
    writeFileSync(join(root, 'sources', 'go.mod'), 'module peerbench\n');
    process.env.PATH = join(root, 'empty');
    assert.match(String(findTools(root, 'sources')), /Go not found \(ENOENT\).*put go on the PATH/);
  } finally {
    process.env.PATH = before;
    rmSync(root, { recursive: true, force: true });
  }
});
