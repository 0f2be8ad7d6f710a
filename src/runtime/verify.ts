/** Offline proof of a data directory. */
export { type VerifyReport, verifyData } from '../projector/index.ts';
