/**
 * A header block that cannot be decoded. The tables of the two ends may differ from then on, so it ends the connection, with
 * COMPRESSION_ERROR (RFC 9113, section 4.3). The message is fit for the debug data of GOAWAY: it quotes nothing of the block.
 */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}
