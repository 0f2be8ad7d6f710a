/** Reports of a simulation: Markdown and one HTML page beside `result.json`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimResult } from '../result.ts';
import { markdownOf } from './markdown.ts';
import { pageOf } from './page.ts';
import { reportOf } from './report-of.ts';

/** Writes `result.md` and `report.html` into the folder, and gives their paths. */
export const writeReports = async (
  dir: string,
  result: SimResult,
): Promise<{ readonly markdown: string; readonly html: string }> => {
  const report = reportOf(result);
  const paths = { markdown: join(dir, 'result.md'), html: join(dir, 'report.html') };
  await mkdir(dir, { recursive: true });
  await writeFile(paths.markdown, markdownOf(report));
  await writeFile(paths.html, pageOf(report));
  return paths;
};
