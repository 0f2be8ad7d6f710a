/** google.rpc.Status inside discovery requests: why a client rejects a response. */
import { BYTES, VARINT, type WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, varintSize, type WireWriter } from './wire-writer.ts';

export interface StatusParts {
  readonly code: number;
  readonly message: string;
}

/** Details are passed over; a text above 64 KiB is refused. */
export function readStatus(reader: WireReader, status: { code: number; message: string }): void {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | VARINT)) status.code = reader.int32();
    else if (tag === ((2 << 3) | BYTES)) status.message = reader.text('error text');
    else reader.skip(tag);
  }
  reader.leave(outer);
}

/** Bytes of the message without its own tag and length. */
export function statusLength({ code, message }: StatusParts): number {
  return (code === 0 ? 0 : 1 + varintSize(code)) + (message === '' ? 0 : delimitedSize(textLength(message)));
}

export function encodeStatus(writer: WireWriter, field: number, status: StatusParts): void {
  const { code, message } = status;
  writer.open(field, statusLength(status));
  if (code !== 0) {
    writer.varint(1 << 3);
    writer.varint(code);
  }
  if (message !== '') writer.text(2, message, textLength(message));
}
