/** What a measurement gives that could not be made here: something it needs is missing. That is said, and the bench goes on. */
export interface NotMeasured {
  /** What is missing, and how to get it. */
  readonly notMeasured: string;
}

export const isNotMeasured = (figures: unknown): figures is NotMeasured =>
  typeof figures === 'object' && figures !== null && 'notMeasured' in figures;
