#!/usr/bin/env node
/**
 * Entry of the `tendril` command: streams and signals of the process.
 *
 * Signals: commands that started something end it in order at the first one, and at once at the second; all others end at
 * once. A closed stdout counts as the first signal: a reader that stops early (`tendril events | head`) is no error.
 */
import { once } from 'node:events';
import { constants } from 'node:os';
import { commands } from './commands/index.ts';
import { commandNameOf, runCli } from './run.ts';

/** npm passes the terminal's Ctrl-C on, so one of them may come twice. */
const SAME_KEY_MS = 200;

const argv = process.argv.slice(2);
const controller = new AbortController();
const entry = commands.find(({ name }) => name === commandNameOf(argv));
const inOrder = entry?.ends === 'in-order';
let first: number | undefined;

const interrupted = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
  const now = performance.now();
  if (inOrder && first === undefined) {
    first = now;
    controller.abort();
  } else if (first === undefined || signal !== 'SIGINT' || now - first > SAME_KEY_MS)
    process.exit(128 + constants.signals[signal]);
};
process.on('SIGINT', interrupted);
process.on('SIGTERM', interrupted);
if (entry?.passes !== 'SIGHUP') process.on('SIGHUP', interrupted);

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (!inOrder) process.exit(0);
  first ??= performance.now();
  controller.abort();
});
// Nobody reads the complaints: there is nowhere to complain about it.
process.stderr.on('error', () => undefined);

const readStdin = async (): Promise<Uint8Array> => {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

const outBytes = async (bytes: Uint8Array): Promise<void> => {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain', { signal: controller.signal });
};

process.exitCode = await runCli(argv, {
  out: (text) => {
    if (text !== '') process.stdout.write(`${text}\n`);
  },
  err: (text) => process.stderr.write(`${text}\n`),
  env: process.env,
  readStdin,
  stdin: () => process.stdin,
  outBytes,
  signal: controller.signal,
  now: Date.now,
});
// Keep-alive sockets of fetch would hold the process for seconds.
process.stdout.write('', () => process.exit());
