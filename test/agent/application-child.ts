/**
 * An application for the agent: `application-child.js PORT FILE CRASHES`. Answers HTTP with its health; the first CRASHES lives end with 7
 * at their first request. FILE counts its lives; its words `ill`, `hangs`, `deaf` there make it answer 503, answer nothing, ignore SIGTERM.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, file = '', crashes] = process.argv.slice(2);
appendFileSync(file, 'life\n');
const says = (word: string): boolean => readFileSync(file, 'utf8').split('\n').at(-2) === word;
const lives = readFileSync(file, 'utf8')
  .split('\n')
  .filter((line) => line === 'life').length;

createServer((_request, response) => {
  if (lives <= Number(crashes)) process.exit(7);
  if (says('hangs')) return;
  response.statusCode = says('ill') ? 503 : 200;
  response.end(`life ${lives}`);
}).listen(Number(port), '127.0.0.1');

process.on('SIGTERM', () => {
  if (!says('deaf')) process.exit(5);
});
process.on('SIGHUP', () => console.log('reloaded'));
