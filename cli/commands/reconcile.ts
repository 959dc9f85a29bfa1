import { Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../../adapters/contract/options.js';
import type { FileReconciliation } from '../../console/service.js';
import { MOST_ROWS } from '../../console/wire.js';
import { EXIT } from '../failure.js';
import { emit } from '../output.js';
import { connect, globals } from '../session.js';
import { type Column, cut, table } from '../table.js';
import { paint, plural, safe } from '../text.js';
import { wholeNumber } from '../values.js';

export function reconcileCommand(): Command {
  return new Command('reconcile')
    .description('Compare the records of files with what became of them: in the file = delivered + filtered + dead + waiting; exit 1 when something is missing')
    .argument('[endpoint]', 'only files of this endpoint, or of all endpoints of this system')
    .option('--since <time>', 'only files read since: 2h, 7d, or a time such as 2026-03-02T09:00', time)
    .option('-n, --limit <count>', 'at most so many files, the newest', wholeNumber(1, MOST_ROWS), 1_000)
    .action(async (endpoint: string | undefined, { since, limit }: { readonly since?: number; readonly limit: number }, command: Command) => {
      const all = globals(command);
      const query = { ...(endpoint === undefined ? {} : { endpoint }), ...(since === undefined ? {} : { since }), limit };
      const files = await (await connect(all)).reconcile(query);
      emit(all.output, files, () => (files.length === 0 ? 'no files' : filesText(files)));
      if (files.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT.problem;
    });
}

function time(text: string): number {
  const ago = parseDuration(text);
  const at = ago === undefined ? new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text).getTime() : Date.now() - ago;
  if (!/^\d/.test(text) || Number.isNaN(at)) throw new InvalidArgumentError('expected 30m, 2h, 7d, or a time such as 2026-03-02T09:00.');
  return Math.max(0, at);
}

function filesText(files: readonly FileReconciliation[]): string {
  const right = (title: string): Column => ({ title, align: 'right' });
  const some = (count: number): string => (count === 0 ? '' : String(count));
  const [title = '', ...lines] = table(
    ['FILE', 'ENDPOINT', 'STATE', right('RECORDS'), right('DELIVERED'), right('FILTERED'), right('PENDING'), right('PARKED'), right('DEAD'), right('MISSING')],
    files.map(({ file, delivered, filtered, pending, parked, dead, missing }) => [
      safe(cut(file.name, 60)),
      safe(file.endpoint),
      file.state,
      String(file.records),
      some(delivered),
      some(filtered),
      some(pending),
      some(parked),
      dead === 0 ? '' : paint('red', String(dead)),
      missing === 0 ? '' : paint('red', String(missing)),
    ]),
  ).split('\n');
  const wrong = files.filter(({ problems }) => problems.length > 0).length;
  return [
    title,
    ...lines.flatMap((line, at) => [line, ...details(files[at])]),
    wrong === 0 ? paint('green', `${plural(files.length, 'file')}: every record is accounted for`) : paint('red', `${wrong} of ${plural(files.length, 'file')} with differences`),
  ].join('\n');
}

/** What is wrong, and the targets that do not have all. */
function details(one: FileReconciliation | undefined): readonly string[] {
  if (!one) return [];
  const behind = one.targets.filter(({ pending, parked, dead, discarded }) => pending + parked + dead + discarded > 0);
  const counts = behind.map((target) => {
    const parts = (['delivered', 'pending', 'parked', 'dead', 'discarded'] as const).filter((state) => target[state] > 0).map((state) => `${target[state]} ${state}`);
    return `  ${safe(target.endpoint)}: ${parts.join(', ')}`;
  });
  return [...one.problems.map((problem) => `  ${paint('red', 'missing')} ${safe(problem)}`), ...counts];
}
