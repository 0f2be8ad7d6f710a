/** What `verify` found wrong. */
export interface VerifyProblem {
  readonly part: 'log' | 'state' | 'ledger' | 'checkpoint';
  /** Table and key, offset, or step. */
  readonly where: string;
  readonly message: string;
}

/** Gathers what is wrong. */
export class Findings {
  readonly problems: VerifyProblem[] = [];
  readonly notes: string[] = [];
  count = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(part: VerifyProblem['part'], where: string, message: string): void {
    this.count++;
    if (this.problems.length < this.#most) this.problems.push({ part, where, message });
  }
}
