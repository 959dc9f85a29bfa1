import { Command, Option } from 'commander';
import { FILE_STATES, type FileState } from '../../adapters/contract/custody.js';
import type { FileLine, FileStory } from '../../console/service.js';
import { MOST_ROWS } from '../../console/wire.js';
import { confirm } from '../confirm.js';
import { EXIT } from '../failure.js';
import { emit, talk } from '../output.js';
import { actor, connect, globals } from '../session.js';
import { cut, pairs, table } from '../table.js';
import { age, bytes, dateTime, moment, paint, plural, safe } from '../text.js';
import { wholeNumber } from '../values.js';

interface Where {
  readonly endpoint?: string;
}

interface Change extends Where {
  readonly reason?: string;
  readonly yes?: true;
}

export function filesCommand(): Command {
  const files = new Command('files').description('Files that are read: where each is, and what became of it');
  files
    .command('list')
    .description('List files, newest first')
    .argument('[endpoint]', 'only of this endpoint, or of all endpoints of this system')
    .addOption(new Option('--state <state>', 'only in this state').choices(FILE_STATES))
    .option('-n, --limit <count>', 'at most so many', wholeNumber(1, MOST_ROWS), 100)
    .action(async (endpoint: string | undefined, { state, limit }: { readonly state?: FileState; readonly limit: number }, command: Command) => {
      const all = globals(command);
      const lines = await (await connect(all)).files({ ...(endpoint === undefined ? {} : { endpoint }), ...(state === undefined ? {} : { state }), limit });
      emit(all.output, lines, () => (lines.length === 0 ? 'no files' : linesText(lines)));
    });
  files
    .command('show')
    .description('Show the story of one file: when it came, what its records became, where it lies now')
    .argument('<file>', 'its name, its path, or its id')
    .option('--endpoint <name>', 'of this endpoint, when several know the name')
    .action(async (reference: string, { endpoint }: Where, command: Command) => {
      const all = globals(command);
      const story = await (await connect(all)).file(reference, endpoint);
      emit(all.output, story, () => storyText(story));
    });
  files
    .command('release')
    .description('Have a file read that is held, or was rejected: behind a gap of its sequence, or with a name or content that came before')
    .argument('<file>', 'its name, its path, or its id')
    .option('--endpoint <name>', 'of this endpoint, when several know the name')
    .option('--reason <text>', 'why, for the audit log')
    .action(async (reference: string, { endpoint, reason }: Change, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const file = await service.file(reference, endpoint);
      await service.releaseFile(file.endpoint, file.id, actor(reason));
      emit(all.output, { released: file.id, endpoint: file.endpoint }, () => `${safe(file.name)} is read at the next poll of ${safe(file.endpoint)}`);
    });
  files
    .command('reprocess')
    .description('Read a file again on purpose, from the archive or the error folder: its records are new input, what was delivered of it is delivered again')
    .argument('<file>', 'its name, its path, or its id')
    .option('--endpoint <name>', 'of this endpoint, when several know the name')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .option('-y, --yes', 'do not ask')
    .action(async (reference: string, { endpoint, reason, yes }: Change, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const file = await service.file(reference, endpoint);
      process.stderr.write(`${linesText([file])}\n`);
      if (!(await confirm(`Read ${plural(file.records, 'record')} again?`, yes === true))) {
        talk('Nothing was done.');
        process.exitCode = EXIT.problem;
        return;
      }
      await service.reprocessFile(file.endpoint, file.id, actor(reason));
      emit(all.output, { reprocessed: file.id, endpoint: file.endpoint }, () => `${safe(file.name)} is read again at the next poll of ${safe(file.endpoint)}`);
    });
  return files;
}

function linesText(files: readonly FileLine[]): string {
  return table(
    ['FILE', 'ENDPOINT', 'STATE', { title: 'RECORDS', align: 'right' }, { title: 'DEAD', align: 'right' }, 'SEEN', 'ID', 'WHY'],
    files.map(({ name, endpoint, state, records, dead, seenAt, id, reason }) => [
      safe(cut(name, 60)),
      safe(endpoint),
      stateText(state),
      String(records),
      dead === 0 ? '' : paint('red', String(dead)),
      moment(seenAt),
      id === name ? '' : safe(id),
      reason === undefined ? '' : cut(safe(reason), 80),
    ]),
  );
}

function storyText(file: FileStory): string {
  const at = (time: number | undefined): string | undefined => (time === undefined ? undefined : `${dateTime(time)}  ${age(time)}`);
  const { records, accepted, filtered, dead } = file;
  return pairs([
    ['file', paint('bold', safe(file.name))],
    ['id', file.id === file.name ? undefined : safe(file.id)],
    ['endpoint', safe(file.endpoint)],
    ['state', `${stateText(file.state)}${file.reason === undefined ? '' : `: ${safe(file.reason)}`}`],
    ['lies in', file.place === '' ? 'nowhere we know of' : safe(file.place)],
    ['size', bytes(file.size)],
    ['sha256', file.hash === undefined ? undefined : safe(file.hash)],
    ['records', file.claimedAt === undefined ? undefined : `${records} = ${accepted} accepted + ${filtered} filtered + ${dead} dead`],
    ['seen', at(file.seenAt)],
    ['claimed', at(file.claimedAt)],
    ['on the bus', at(file.doneAt)],
    ['put away', at(file.endedAt)],
    ['by', file.by === undefined ? undefined : safe(file.by)],
    ['read again', file.readAgainAs === undefined ? undefined : safe(file.readAgainAs)],
    ['same name', file.others.length === 0 ? undefined : file.others.slice(0, 10).map(safe).join(' ')],
    ['messages', file.messages.length === 0 ? undefined : `${file.messages.slice(0, 5).map(safe).join(' ')}    signalbox trace ${safe(file.messages[0] ?? '')}`],
  ]);
}

function stateText(state: FileState): string {
  if (state === 'failed') return paint('red', state);
  return state === 'held' || state === 'cleanup' ? paint('yellow', state) : state;
}
