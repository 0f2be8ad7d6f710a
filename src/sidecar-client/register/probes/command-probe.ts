/** A probe by command: up when it exits with 0. No shell; it has a process group of its own, which is killed at the time-out. */
import { type ChildProcess, spawn } from 'node:child_process';
import { brief, MAX_OUTPUT, type Probe, type ProbeResult, reasonOf } from './probe.ts';

export const commandProbe = (words: readonly string[]): Probe => {
  const [file = '', ...args] = words;
  const name = `cmd:${words.join(' ')}`;
  return {
    name,
    run: (signal) =>
      new Promise<ProbeResult>((done) => {
        let output = '';
        let child: ChildProcess;
        try {
          child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
        } catch (error) {
          done({ ok: false, why: `${name}: ${reasonOf(error)}` });
          return;
        }
        // Before anything else: without a listener it would end this process.
        child.on('error', (error) => {
          if (child.pid === undefined) end({ ok: false, why: `${name}: ${reasonOf(error)}` });
        });
        const kill = (): void => {
          if (child.pid === undefined) return;
          try {
            process.kill(-child.pid, 'SIGKILL');
          } catch {
            // It has just ended.
          }
        };
        const keep = (text: string): void => {
          if (output.length < MAX_OUTPUT) output += text.slice(0, MAX_OUTPUT - output.length);
        };
        // Without free file descriptors there are none.
        child.stdout?.setEncoding('utf8').on('data', keep);
        child.stderr?.setEncoding('utf8').on('data', keep);
        const end = (result: ProbeResult): void => {
          signal.removeEventListener('abort', kill);
          // What it started and left behind has its output too, and would keep it open.
          kill();
          child.stdout?.destroy();
          child.stderr?.destroy();
          done(result);
        };
        const said = () => (output === '' ? {} : { output: brief(output) });
        child.on('exit', (code, by) => {
          if (code === 0) end({ ok: true, why: 'exit code 0' });
          // A turn later its last words are there.
          else setImmediate(() => end({ ok: false, why: `${name}: ${by ?? `exit code ${code}`}`, ...said() }));
        });
        signal.addEventListener('abort', kill, { once: true });
        if (signal.aborted) kill();
      }),
  };
};
