/** The messages of grpc.health.v1 by hand. Source: grpc.io, "Health checking". */
import { BYTES, WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, WireWriter } from './wire-writer.ts';

/** Bytes of a service name asked for. */
const MAX_SERVICE_BYTES = 4_096;

export const SERVING_STATUS = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
export type ServingStatus = (typeof SERVING_STATUS)[keyof typeof SERVING_STATUS];

/** The service that a HealthCheckRequest asks about; '' is the server as a whole. Throws `TendrilError` `XDS_MALFORMED`. */
export function decodeHealthCheckRequest(bytes: Uint8Array): string {
  const reader = new WireReader(bytes);
  let service = '';
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) service = reader.text('service name', MAX_SERVICE_BYTES);
    else reader.skip(tag);
  }
  return service;
}

/** A HealthCheckResponse. */
export function encodeHealthCheckResponse(status: ServingStatus): Uint8Array {
  return Uint8Array.of(1 << 3, status);
}

/** A HealthCheckRequest for a service; '' asks for the server as a whole. */
export function encodeHealthCheckRequest(service: string): Uint8Array {
  if (service === '') return new Uint8Array(0);
  const length = textLength(service);
  const writer = new WireWriter(delimitedSize(length));
  writer.text(1, service, length);
  return writer.finish();
}

/** The status of a HealthCheckResponse; 0 is UNKNOWN. Throws `TendrilError` `XDS_MALFORMED`. */
export function decodeHealthCheckResponse(bytes: Uint8Array): number {
  const reader = new WireReader(bytes);
  let status = 0;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === 1 << 3) status = reader.int32();
    else reader.skip(tag);
  }
  return status;
}
