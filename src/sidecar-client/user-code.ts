/** Calls a function of the application: what it throws is told as a warning, and does not end what the client was doing. */
export const callUser = (what: string, run: () => void): void => {
  try {
    run();
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.emitWarning(`${what} threw: ${why}`, 'TendrilWarning');
  }
};
