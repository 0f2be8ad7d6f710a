/**
 * What a power cut leaves of a file: everything that was synced, and of the rest each page of 4 KiB or not, as the dice fall.
 * The model: no torn page, no drive that lies, O_DSYNC means on disk (reference/reliability.md, section 6).
 */
import type { Traced, TracedWrite } from './write-trace.ts';

const PAGE = 4_096;

/** Whether a write is certainly on disk at a moment (a line of the trace). */
const isDurable = (write: TracedWrite, syncs: readonly { begin: number; end: number }[], moment: number): boolean =>
  (write.synced && write.end <= moment) || syncs.some(({ begin, end }) => write.end <= begin && end <= moment);

/**
 * @param before the file as the trace found it
 * @param drop chance that a page is lost which nobody has synced
 */
export const imageAt = (
  traced: readonly Traced[],
  file: string,
  before: Buffer,
  options: { readonly moment: number; readonly drop: number; readonly random: () => number },
): Buffer => {
  const { moment, drop, random } = options;
  const syncs = traced.filter((one) => one.call === 'sync' && one.file === file);
  let image = Buffer.from(before);
  for (const one of traced) {
    if (one.call !== 'write' || one.file !== file || one.begin > moment) continue;
    const certain = isDurable(one, syncs, moment);
    for (let at = one.at, taken = 0; taken < one.bytes.length; ) {
      const length = Math.min(PAGE - (at % PAGE), one.bytes.length - taken);
      if (certain || random() >= drop) {
        if (image.length < at + length) image = Buffer.concat([image, Buffer.alloc(at + length - image.length)]);
        one.bytes.copy(image, at, taken, taken + length);
      }
      at += length;
      taken += length;
    }
  }
  return image;
};
