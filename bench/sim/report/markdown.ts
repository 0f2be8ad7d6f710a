/** The report as Markdown, for people who read it in a terminal, a pull request or a chat. */
import { cell } from './format.ts';
import { type Fact, type Report, type Section, verdictOf } from './report.ts';

const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(head),
  `|${head.map(() => '---').join('|')}|`,
  ...rows.map(row),
];

const sectionOf = ({ title, rows }: Section): string[] => {
  if (rows.length === 0) return [];
  const isAsked = rows.some(({ asked }) => asked !== undefined);
  const head = isAsked ? ['what', 'measured', 'asked for', ''] : ['what', 'measured'];
  const lines = rows.map((figure) => {
    const cells = [figure.what, figure.measured];
    return isAsked ? [...cells, figure.asked ?? '', verdictOf(figure)] : cells;
  });
  return ['', `## ${title}`, '', ...table(head, lines)];
};

const listOf = (title: string, sentences: readonly string[]): string[] =>
  sentences.length === 0 ? [] : ['', `## ${title}`, '', ...sentences.map((sentence) => `- ${cell(sentence)}`)];

const factsOf = (title: string, facts: readonly Fact[]): string[] =>
  facts.length === 0
    ? []
    : [
        '',
        `## ${title}`,
        '',
        ...table(
          ['', ''],
          facts.map(({ name, value }) => [name, value]),
        ),
      ];

/** A block of code that its own content cannot end. */
const code = (text: string): string[] => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return [`${fence}sh`, text, fence];
};

export const markdownOf = (report: Report): string =>
  `${[
    `# ${cell(report.title)}`,
    '',
    cell(report.lead),
    ...listOf('What to know first', report.warnings),
    ...listOf('What on-demand saves', report.savings),
    ...report.sections.flatMap(sectionOf),
    ...factsOf('Options', report.options),
    ...factsOf('Machine', report.machine),
    '',
    '## Again',
    '',
    ...code(report.command),
    '',
    'Charts of the same figures: `report.html` beside this file. All samples: `result.json`.',
  ].join('\n')}\n`;
