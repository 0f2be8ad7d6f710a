#!/usr/bin/env node
/** Entry of the `tendril` command. */
import { runCli } from './run.ts';

// A reader that stops early (`tendril events | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const controller = new AbortController();
let interrupts = 0;
const interrupted = (): void => {
  interrupts++;
  controller.abort();
  if (interrupts > 1) process.exit(130);
};
process.on('SIGINT', interrupted);
process.on('SIGTERM', interrupted);

const readStdin = async (): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};

process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  env: process.env,
  readStdin,
  signal: controller.signal,
  now: Date.now,
});
// Keep-alive sockets of fetch would hold the process for seconds.
if (process.exitCode !== undefined) process.stdout.write('', () => process.exit());
