/**
 * A restart of an application while every control plane is away: started by `client-restart.ts`, it creates a client on a cache that an
 * earlier process has left, and tells when it had its first pick. With `fill` it is that earlier process.
 */
export interface RestartTask {
  readonly port: number;
  readonly dir: string;
  readonly names: readonly string[];
  readonly fill: boolean;
  /** It ends by SIGKILL when it has been at rest, and not in order. */
  readonly isKilled?: boolean;
}

export interface RestartReport {
  /** Since the process was started (Node's own start is in it), and since `createClient` was called, ms. */
  readonly fromStartMs: number;
  readonly fromCreateMs: number;
  /** When this module ran, ms: what Node itself takes to start, with the channel to its parent. */
  readonly nodeMs: number;
  /** CPU of the process to then, all threads, since its start and since `createClient`, ms: what a busy machine stretches less. */
  readonly cpuMs: number;
  readonly cpuFromCreateMs: number;
  /** CPU of Node's own start. */
  readonly nodeCpuMs: number;
  readonly endpoints: number;
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const NODE_MS = performance.now();
const NODE_CPU_MS = cpuMs();

const SETTLE_MS = 2_000;
const REST_MS = 1_000;

const run = async ({ port, dir, names, fill, isKilled }: RestartTask): Promise<RestartReport> => {
  const { createClient } = await import('../src/sidecar-client/index.ts');
  const created = performance.now();
  const before = cpuMs();
  const client = await createClient({
    addresses: [{ host: '127.0.0.1', port }],
    node: { id: 'restart', service: 'caller', namespace: 'default' },
    cacheDir: dir,
  });
  const [first = ''] = names;
  const service = client.service(first);
  await service.ready();
  const picked = service.pick();
  const now = performance.now();
  const cpu = cpuMs();
  if (typeof picked === 'string') throw new Error(`${first}: ${picked}`);
  const found = await service.endpoints();
  if (fill) {
    for (const name of names) await client.service(name).endpoints();
    await new Promise((done) => setTimeout(done, SETTLE_MS));
  }
  if (isKilled === true) await new Promise((done) => setTimeout(done, REST_MS));
  else await client.close();
  return {
    fromStartMs: now,
    fromCreateMs: now - created,
    nodeMs: NODE_MS,
    cpuMs: cpu,
    cpuFromCreateMs: cpu - before,
    nodeCpuMs: NODE_CPU_MS,
    endpoints: found.length,
  };
};

process.once('message', (task: RestartTask) => {
  void run(task).then((report) =>
    process.send?.(report, () => (task.isKilled === true ? process.kill(process.pid, 'SIGKILL') : process.exit(0))),
  );
});
