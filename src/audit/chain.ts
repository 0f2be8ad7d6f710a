/**
 * The audit's hash chain: chain_n = SHA-256(chain_{n-1} ‖ text_n), chain_0 = 32 zero bytes. `text_n` is the entry as JSON without its
 * chain; the stored line is that text with `"chain"` as last member, so a line proves itself with the chain before it.
 */
import { createHash } from 'node:crypto';

export const CHAIN_START = '0'.repeat(64);

export interface ChainPoint {
  /** Of the last entry; 0: before the first. */
  readonly seq: number;
  /** Hexadecimal. */
  readonly chain: string;
}

export const startPoint: ChainPoint = { seq: 0, chain: CHAIN_START };

const nextOf = (previous: string, text: string): string =>
  createHash('sha256').update(previous, 'hex').update(text, 'utf8').digest('hex');

/** The line to store (with its line end) and the chain behind it. `text`: a JSON object. */
export const sealLine = (previous: string, text: string): { readonly line: string; readonly chain: string } => {
  const chain = nextOf(previous, text);
  return { line: `${text.slice(0, -1)},"chain":"${chain}"}\n`, chain };
};

const LINE = /^(\{.*),"chain":"([0-9a-f]{64})"\}$/s;

/** The chain behind a stored line (without its line end) if the line is what was sealed behind `previous`; else undefined. */
export const proveLine = (previous: string, line: string): string | undefined => {
  const [, text = '', chain = ''] = LINE.exec(line) ?? [];
  return text !== '' && nextOf(previous, `${text}}`) === chain ? chain : undefined;
};
