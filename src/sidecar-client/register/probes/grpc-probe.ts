/** A probe by grpc.health.v1: up when the service is SERVING. Source: grpc.io, "Health checking". */
import { type Probe, type ProbeResult, reasonOf } from './probe.ts';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** `service`: '' asks for the server as a whole. */
export const grpcProbe = (host: string, port: number, service = ''): Probe => {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const name = `grpc://${target}${service === '' ? '' : `/${service}`}`;
  return {
    name,
    run: async (signal) => {
      // Loaded by those who probe so: it is most of the memory of a small process.
      const [{ Client, credentials, status }, wire] = await Promise.all([
        import('@grpc/grpc-js'),
        import('../../../proto/wire.ts'),
      ]);
      const { decodeHealthCheckResponse, encodeHealthCheckRequest, GRPC_PATHS, SERVING_STATUS } = wire;
      const client = new Client(target, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_retries': 0,
        'grpc.enable_channelz': 0,
      });
      try {
        return await new Promise<ProbeResult>((done) => {
          const call = client.makeUnaryRequest(
            GRPC_PATHS.healthCheck,
            (text: string) => asBuffer(encodeHealthCheckRequest(text)),
            (bytes: Buffer) => decodeHealthCheckResponse(bytes),
            service,
            (error, answer) => {
              signal.removeEventListener('abort', cancel);
              if (error !== null) {
                const word = status[error.code] ?? String(error.code);
                done({ ok: false, why: `${name}: ${word} ${error.details || reasonOf(error)}`.trim() });
              } else if (answer === SERVING_STATUS.SERVING) done({ ok: true, why: 'SERVING' });
              else {
                const word = Object.entries(SERVING_STATUS).find(([, value]) => value === answer)?.[0];
                done({ ok: false, why: `${name}: ${word ?? `status ${answer}`}` });
              }
            },
          );
          const cancel = (): void => call.cancel();
          signal.addEventListener('abort', cancel, { once: true });
          if (signal.aborted) cancel();
        });
      } finally {
        client.close();
      }
    },
  };
};
