/** A probe by TCP: up when a connection is accepted. */
import { connect } from 'node:net';
import { type Probe, type ProbeResult, reasonOf } from './probe.ts';

export const tcpProbe = (host: string, port: number): Probe => {
  const name = `tcp:${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    name,
    run: (signal) =>
      new Promise<ProbeResult>((done) => {
        const socket = connect({ host, port, signal });
        socket.on('connect', () => {
          socket.destroy();
          done({ ok: true, why: 'connected' });
        });
        socket.on('error', (error) => done({ ok: false, why: `${name}: ${reasonOf(error)}` }));
      }),
  };
};
