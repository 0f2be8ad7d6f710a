/** "Did you mean": the nearest of the allowed words; undefined when none is near. */
export const nearestWord = (found: string, allowed: Iterable<string>): string | undefined => {
  if (found.length > 64) return undefined;
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const word of allowed) {
    const distance = editDistance(found.toLowerCase(), word.toLowerCase());
    if (distance <= Math.max(1, Math.floor(found.length / 3)) && distance < (best?.distance ?? Infinity))
      best = { word, distance };
  }
  return best?.word;
};

const editDistance = (a: string, b: string): number => {
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replace));
    }
    last = row;
  }
  return last[b.length] ?? 0;
};
