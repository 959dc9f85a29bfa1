import { Command } from 'commander';
import { type Code, codes } from '../../bus/codes/index.js';
import { nearest } from '../../bus/finding.js';
import { CommandFailure } from '../failure.js';
import { emit } from '../output.js';
import { globals } from '../session.js';
import { pairs, table } from '../table.js';
import { paint } from '../text.js';

export function explainCommand(): Command {
  return new Command('explain')
    .description('Say what a code means and what to do; without a code, list all')
    .argument('[code]', 'such as E311')
    .action((text: string | undefined, _: unknown, command: Command) => {
      const all = globals(command);
      if (text === undefined) {
        const list = (Object.keys(codes) as Code[]).sort().map((code) => ({ code, ...codes[code] }));
        emit(all.output, list, () =>
          table(
            ['CODE', 'TITLE'],
            list.map(({ code, title }) => [code, title]),
          ),
        );
        return;
      }
      const code = known(text);
      const entry = { code, ...codes[code] };
      emit(all.output, entry, () =>
        [
          `${paint('bold', code)}  ${entry.title}`,
          pairs([
            ['meaning', entry.meaning],
            ['fix', entry.fix],
          ]),
        ].join('\n'),
      );
    });
}

function known(text: string): Code {
  const code = text.toUpperCase();
  if (code in codes) return code as Code;
  const near = nearest(code, Object.keys(codes));
  throw new CommandFailure(`no code ${text}`, { hint: near === undefined ? '`signalbox explain` lists all codes' : `did you mean \`${near}\`?` });
}
