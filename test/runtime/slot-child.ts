/** A child of `child-slot.test.ts`: says what it is told, and does what `serve`'s children do with it. */
process.on('message', ({ t }: { readonly t: string }) => {
  process.stdout.write(`${t}\n`);
  if (t === 'start') process.send?.({ t: 'ready', address: { host: '127.0.0.1', port: 1 } });
  else process.exit(0);
});
process.send?.({ t: 'listening' });
process.stdout.write('listening\n');
