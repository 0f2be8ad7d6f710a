/** Memory for many small buffers that live until the next commit: few large blocks instead of one allocation each. */
const BLOCK_BYTES = 256 * 1024;

export class Slab {
  #block: Buffer = Buffer.alloc(0);
  #used = 0;

  /** Not cleared. */
  take(size: number): Buffer {
    if (size > BLOCK_BYTES / 8) return Buffer.allocUnsafeSlow(size);
    if (this.#used + size > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#used = 0;
    }
    const taken = this.#block.subarray(this.#used, this.#used + size);
    // Neighbours begin at multiples of eight.
    this.#used += (size + 7) & ~7;
    return taken;
  }
}
