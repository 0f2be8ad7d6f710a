/**
 * A restart of an application while every control plane is away: started by `client-restart.ts`, it creates a client on a cache that an
 * earlier process has left, and tells when it had the first endpoints. With `fill` it is that earlier process.
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
  /** CPU of the process from `createClient` to then, all threads, ms: what a busy machine does not stretch. */
  readonly cpuMs: number;
  readonly endpoints: number;
}

const SETTLE_MS = 2_000;
const REST_MS = 1_000;

const run = async ({ port, dir, names, fill, isKilled }: RestartTask): Promise<RestartReport> => {
  const { createClient } = await import('../src/sidecar-client/index.ts');
  const created = performance.now();
  const before = process.cpuUsage();
  const client = await createClient({
    addresses: [{ host: '127.0.0.1', port }],
    node: { id: 'restart', service: 'caller', namespace: 'default' },
    cacheDir: dir,
  });
  const [first = ''] = names;
  const found = await client.service(first).endpoints();
  const now = performance.now();
  const { user, system } = process.cpuUsage(before);
  if (fill) {
    for (const name of names) await client.service(name).endpoints();
    await new Promise((done) => setTimeout(done, SETTLE_MS));
  }
  if (isKilled === true) await new Promise((done) => setTimeout(done, REST_MS));
  else await client.close();
  return { fromStartMs: now, fromCreateMs: now - created, cpuMs: (user + system) / 1_000, endpoints: found.length };
};

process.once('message', (task: RestartTask) => {
  void run(task).then((report) =>
    process.send?.(report, () => (task.isKilled === true ? process.kill(process.pid, 'SIGKILL') : process.exit(0))),
  );
});
