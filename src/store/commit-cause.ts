/** Why a commit of lmdb-js failed. */

/** How long the reason may take after the failure, ms. */
const PATIENCE_MS = 1_000;

/** lmdb-js rejects with a general error that carries a promise, itself rejected with the reason. */
export const commitCause = async (error: unknown): Promise<Error> => {
  const outer = error instanceof Error ? error : new Error(String(error));
  const { commitError } = outer as { readonly commitError?: Promise<never> };
  if (commitError === undefined) return outer;
  const silent = new Promise<Error>((resolve) => setTimeout(resolve, PATIENCE_MS, outer).unref());
  return Promise.race([silent, commitError.catch((reason: unknown) => (reason instanceof Error ? reason : outer))]);
};
