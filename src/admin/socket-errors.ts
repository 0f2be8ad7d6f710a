/** Errors of sockets: a port that cannot be listened on, and clients that speak no HTTP. */
import type { Socket } from 'node:net';
import { TendrilError } from '../model/index.ts';
import { PROBLEM_TYPE } from './problem.ts';

/** What `listen` rejected with, in words. */
export const listenError = (error: unknown, host: string, port: number): unknown => {
  const code = (error as NodeJS.ErrnoException).code;
  const where = `${host}:${port}`;
  if (code === 'EADDRINUSE')
    return new TendrilError('PORT_IN_USE', `cannot listen on ${where}: the port is in use`, {
      remedy: 'stop what uses it, or give another with --admin HOST:PORT',
      cause: error,
    });
  if (code === 'EACCES')
    return new TendrilError('PORT_REFUSED', `cannot listen on ${where}: no permission`, {
      remedy: 'use a port above 1023 with --admin HOST:PORT',
      cause: error,
    });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EINVAL')
    return new TendrilError('ADDRESS_UNKNOWN', `cannot listen on ${where}: this machine has no such address`, {
      remedy: 'use 127.0.0.1',
      cause: error,
    });
  return error;
};

/** What is not even HTTP. */
export const answerClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const status = tooLarge
    ? '431 Request Header Fields Too Large'
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? '408 Request Timeout'
      : '400 Bad Request';
  const body = JSON.stringify({
    type: 'urn:tendril:error:REQUEST_INVALID',
    title: status.slice(4),
    status: Number(status.slice(0, 3)),
    code: 'REQUEST_INVALID',
    detail: tooLarge ? 'the headers are larger than 16 KiB' : 'this is not an HTTP request',
  });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: ${PROBLEM_TYPE}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
};
