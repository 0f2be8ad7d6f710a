/** A probe by HTTP: GET, up when the status is in the ranges allowed. Redirects are not followed: they are answers. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { brief, MAX_OUTPUT, type Probe, type ProbeResult, reasonOf } from './probe.ts';

export interface HttpProbeOptions {
  readonly url: URL;
  /** Ranges of statuses that mean up, both ends included. Default 200-399. */
  readonly statuses?: readonly (readonly [number, number])[];
  /** Host header. Default: that of the URL. */
  readonly host?: string;
}

const DEFAULT_STATUSES: readonly (readonly [number, number])[] = [[200, 399]];

export const httpProbe = ({ url, statuses = DEFAULT_STATUSES, host }: HttpProbeOptions): Probe => ({
  name: url.href,
  run: (signal) =>
    new Promise<ProbeResult>((done) => {
      const sent = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
        method: 'GET',
        // A connection of its own: one that is kept would hide that no new one is accepted.
        agent: false,
        signal,
        headers: { 'user-agent': 'tendril-probe', connection: 'close', ...(host === undefined ? {} : { host }) },
      });
      let status: number | undefined;
      sent.on('error', (error) => {
        // After the status: the body is of no interest any more.
        if (status === undefined) done({ ok: false, why: `GET ${url.href}: ${reasonOf(error)}` });
      });
      sent.on('response', (response) => {
        const got = response.statusCode ?? 0;
        status = got;
        if (statuses.some(([from, to]) => got >= from && got <= to)) {
          done({ ok: true, why: `status ${got}` });
          sent.destroy();
          return;
        }
        let output = '';
        const end = (): void => {
          done({
            ok: false,
            why: `GET ${url.href}: status ${got}`,
            ...(output === '' ? {} : { output: brief(output) }),
          });
          sent.destroy();
        };
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          output += text;
          if (output.length >= MAX_OUTPUT) end();
        });
        response.on('close', end);
        response.on('error', end);
      });
      sent.end();
    }),
});
