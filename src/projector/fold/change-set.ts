/** Inputs that decisions touched since the last drain; those of a decision that is undone are forgotten. */
export class ChangeSet {
  private inputs = new Set<string>();
  private readonly staged: string[] = [];

  touchInput(key: string): void {
    this.staged.push(key);
  }

  commit(): void {
    if (this.staged.length === 0) return;
    for (const key of this.staged) this.inputs.add(key);
    this.staged.length = 0;
  }

  rollback(): void {
    if (this.staged.length > 0) this.staged.length = 0;
  }

  drain(): Set<string> {
    const { inputs } = this;
    this.inputs = new Set();
    return inputs;
  }
}
