/**
 * What leases cost the core: 10,000 endpoints under leases of 30 s, one heartbeat each 10 s, so 1,000 requests a second over HTTP.
 * CPU of the core's process, in per cent of one CPU, beside the same time without heartbeats. `kept`: connections that are kept, as
 * of agents whose heartbeats are less than the server's 5 s apart or go through a proxy; `new`: one connection a heartbeat, as of
 * 10,000 processes.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { startMesh } from '../test/e2e/harness.ts';
import { round, type Spread, spreadOf } from './spread.ts';

export interface LeasesOptions {
  readonly leases?: number;
  readonly seconds?: number;
}

interface Beats {
  /** Of one CPU. */
  readonly corePercent: number;
  readonly beatsPerSecond: number;
  /** From sending to the answer, as this process sees it. */
  readonly answered: Spread;
}

const PERIOD_MS = 10_000;
const SLICE_MS = 50;
const PER_SERVICE = 100;
const TICK_MS = 10;

const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
};

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const send = (agent: Agent | false, port: number, method: string, path: string, body: object): Promise<void> =>
  new Promise((done, fail) => {
    const headers = { 'content-type': 'application/json' };
    const call = request({ agent, host: '127.0.0.1', port, method, path, headers }, (answer) => {
      answer.resume();
      answer.once('end', () =>
        answer.statusCode === 200 ? done() : fail(new Error(`${method} ${path}: status ${answer.statusCode}`)),
      );
    });
    call.once('error', fail);
    call.end(JSON.stringify(body));
  });

export const run = async (
  options: LeasesOptions = {},
): Promise<{
  readonly leases: number;
  readonly idlePercent: number;
  readonly kept: Beats;
  readonly new: Beats;
  readonly registeredPerSecond: number;
  readonly expired: number;
}> => {
  const { leases = 10_000, seconds = 20 } = options;
  const mesh = await startMesh({ child: true });
  const pool = new Agent({ keepAlive: true, maxSockets: 64 });
  try {
    const { port } = mesh.server.admin;
    const pid = (await mesh.server.pids()).core;
    if (pid === undefined) throw new Error('the control plane tells no process id');
    const services = Array.from({ length: Math.ceil(leases / PER_SERVICE) }, (_, at) => `svc-${at}`);
    await mesh.events(
      ...services.map((name) => ({
        type: 'service.registered',
        data: { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }] },
      })),
    );
    const pathOf = (at: number): string => `/v1/services/shop/svc-${Math.floor(at / PER_SERVICE)}/endpoints/e${at}`;
    const holder = 'bench';
    const from = performance.now();
    for (let at = 0; at < leases; at += PER_SERVICE)
      await Promise.all(
        Array.from({ length: Math.min(PER_SERVICE, leases - at) }, (_, more) =>
          send(pool, port, 'PUT', `${pathOf(at + more)}?lease=30s&holder=${holder}`, { address: '10.0.0.1' }),
        ),
      );
    const registeredPerSecond = Math.round((leases / (performance.now() - from)) * 1_000);

    const beats = async (agent: Agent | false): Promise<Beats> => {
      const times: number[] = [];
      const open = new Set<Promise<void>>();
      const began = performance.now();
      const cpu = cpuMs(pid);
      let sent = 0;
      for (let now = began; now - began < seconds * 1_000; now = performance.now()) {
        const due = Math.floor(((now - began) / PERIOD_MS) * leases);
        for (; sent < due; sent++) {
          const at = performance.now();
          const beat = send(agent, port, 'POST', `${pathOf(sent % leases)}:heartbeat`, { holder }).then(() => {
            times.push(performance.now() - at);
            open.delete(beat);
          });
          open.add(beat);
        }
        await sleep(SLICE_MS);
      }
      await Promise.all(open);
      const tookMs = performance.now() - began;
      return {
        corePercent: round(((cpuMs(pid) - cpu) / tookMs) * 100),
        beatsPerSecond: Math.round((sent / tookMs) * 1_000),
        answered: spreadOf(times),
      };
    };
    const kept = await beats(pool);
    const anew = await beats(false);
    const cpu = cpuMs(pid);
    await sleep(5_000);
    const idlePercent = round(((cpuMs(pid) - cpu) / 5_000) * 100);
    const { body } = await mesh.request('GET', '/v1/services/shop/svc-0', undefined);
    const expired = ((body as { readonly expired?: readonly unknown[] }).expired ?? []).length;
    return { leases, idlePercent, kept, new: anew, registeredPerSecond, expired };
  } finally {
    pool.destroy();
    await mesh.stop();
  }
};
