/**
 * The commands in this process, against a server elsewhere: the same code as `tendril`, without a second's start for each.
 * What belongs to the process itself (signals, pipes, exit) is tested on real ones (tendril.ts).
 */
import type { Io } from '../../../src/cli/command.ts';
import { runCli } from '../../../src/cli/run.ts';
import type { Ended } from './tendril.ts';

export const here = async (
  args: readonly string[],
  options: { readonly server: string; readonly input?: string | Buffer },
): Promise<Ended> => {
  let [out, err] = ['', ''];
  const io: Io = {
    out: (text) => {
      if (text !== '') out += `${text}\n`;
    },
    err: (text) => {
      err += `${text}\n`;
    },
    env: { TENDRIL_SERVER: options.server },
    readStdin: async () => Buffer.from(options.input ?? ''),
    stdin: async function* () {
      yield Buffer.from(options.input ?? '');
    },
    outBytes: async (bytes) => {
      out += Buffer.from(bytes).toString('latin1');
    },
    signal: new AbortController().signal,
    now: Date.now,
  };
  const code = await runCli(args, io);
  return { code, signal: null, out, err };
};
