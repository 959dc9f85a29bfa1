import { Argument, Command } from 'commander';
import { print } from '../output.js';

const shells = ['bash', 'zsh', 'fish'] as const;

export function completionCommand(): Command {
  return new Command('completion')
    .description('Print a completion script for the shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText('after', '\nbash, zsh:  source <(signalbox completion bash)\nfish:       signalbox completion fish | source')
    .action((shell: (typeof shells)[number], _: unknown, command: Command) => {
      const words = wordsByPath(rootOf(command));
      print(shell === 'fish' ? fish(words) : bash(words, shell === 'zsh'));
    });
}

/** What may follow after each path of commands: `systems` -> list show test ... */
function wordsByPath(root: Command): ReadonlyMap<string, readonly string[]> {
  const map = new Map<string, readonly string[]>();
  const visit = (command: Command, path: string): void => {
    const options = [...command.options, ...(command === root ? [] : root.options)].map(({ long }) => long).filter((long) => typeof long === 'string');
    map.set(path, [...command.commands.map((child) => child.name()), ...options, '--help']);
    for (const child of command.commands) visit(child, `${path} ${child.name()}`.trim());
  };
  visit(root, '');
  return map;
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function bash(words: ReadonlyMap<string, readonly string[]>, zsh: boolean): string {
  const cases = [...words].map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`);
  return [
    ...(zsh ? ['autoload -Uz +X compinit bashcompinit && compinit -C && bashcompinit'] : []),
    '_signalbox() {',
    "  local path='' word words=''",
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "$word" in -*) ;; *) path="${path:+$path }$word" ;; esac',
    '  done',
    '  case "$path" in',
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '}',
    'complete -o default -F _signalbox signalbox',
  ].join('\n');
}

function fish(words: ReadonlyMap<string, readonly string[]>): string {
  const lines = ["function __signalbox_path; string join ' ' (string match -v -- '-*' (commandline -opc)[2..]); end"];
  for (const [path, list] of words) {
    for (const word of list) {
      const what = word.startsWith('--') ? `-l '${word.slice(2)}'` : `-f -a '${word}'`;
      lines.push(`complete -c signalbox -n 'test "$(__signalbox_path)" = "${path}"' ${what}`);
    }
  }
  return lines.join('\n');
}
