/** What `-o` takes. Apart from `output.ts`, which loads YAML: every command reads its arguments, few of them print it. */
export const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];
