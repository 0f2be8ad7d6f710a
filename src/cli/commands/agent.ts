/** `tendril agent [-- CMD]`: beside an application: registers it while it is ready, follows its life, withdraws it before it stops. */
import { type Agent, type Relay, type Saying, type StatusServer, serveStatus, startAgent } from '../../agent/index.ts';
import { oneOf, parse } from '../arguments.ts';
import type { Command, Io } from '../command.ts';
import { printable } from '../output.ts';
import { AGENT_HELP, AGENT_OPTIONS, agentOptions, localAddress } from './agent-options.ts';
import { agentRelay } from './agent-relay.ts';

/** Passed on to the application. */
const SIGNALS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

const sayLine =
  (io: Pick<Io, 'err'>) =>
  ({ level, code, text }: Saying): void =>
    io.err(
      printable(
        level === 'info' ? `agent: ${text}` : `agent: ${level}${code === undefined ? '' : ` ${code}`}: ${text}`,
      ),
    );

const sayJson = async (): Promise<(saying: Saying) => void> => {
  const { destination, pino } = await import('pino');
  const logger = pino({ base: { pid: process.pid, name: 'agent' } }, destination({ dest: 2, sync: true }));
  return ({ level, code, text }) => logger[level](code === undefined ? {} : { code }, text);
};

const relayStatus = (relay: Relay | undefined) => (relay === undefined ? {} : { relay: relay.status() });

export const agent: Command = {
  usage: 'agent --service S.NS --port P [options] [-- CMD ARG…]',
  options: AGENT_OPTIONS,
  help: AGENT_HELP,
  examples: [
    'tendril agent --service cart.shop --port 8080 --ready http://127.0.0.1:8080/healthz -- node cart.js',
    'tendril agent --service cart.shop --port 8080 --listen-xds 127.0.0.1:15010 --cache ./cart-cache -- node cart.js',
    'tendril agent --service pay.shop --port 80=9090 --ready grpc://127.0.0.1:9090 --status 127.0.0.1:15099',
  ],
  run: async (argv, io) => {
    const split = argv.indexOf('--');
    const args = parse('agent', split < 0 ? argv : argv.slice(0, split), AGENT_OPTIONS, {
      min: 0,
      max: 0,
      usage: agent.usage,
    });
    const options = agentOptions(args, split < 0 ? [] : argv.slice(split + 1), io.env);
    const status = localAddress(args, 'status');
    const say = oneOf(args, 'log', ['text', 'json'] as const) === 'json' ? await sayJson() : sayLine(io);
    // Before the application: its Envoy may ask as soon as it is started.
    const relay = await agentRelay(args, { say });
    let running: Agent | undefined;
    let answers: StatusServer | undefined;
    if (status !== undefined) {
      answers = await serveStatus(status, () => ({ ...running?.status(), ...relayStatus(relay) }));
      say({ level: 'info', text: `status: http://${status.host}:${answers.port}/status` });
    }
    const started = startAgent({ ...options, say });
    running = started;
    const passOn = (signal: NodeJS.Signals): void => started.signal(signal);
    const kill = (): void => started.kill();
    const stop = (): void => started.stop();
    for (const signal of SIGNALS) process.on(signal, passOn);
    // A second signal ends the process where it stands.
    process.once('exit', kill);
    if (io.signal.aborted) stop();
    io.signal.addEventListener('abort', stop, { once: true });
    try {
      return await started.ended;
    } finally {
      for (const signal of SIGNALS) process.off(signal, passOn);
      process.off('exit', kill);
      await answers?.close();
      // Its Envoy serves the application to the last.
      await relay?.close();
    }
  },
};
