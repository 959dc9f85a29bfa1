import { realpath, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import type { ServerIdentity } from '../../adapters/contract/spec.js';
import { describe, failureOf } from '../../bus/errors.js';
import { nearest } from '../../bus/finding.js';
import { confirm } from '../confirm.js';
import { coded, EXIT } from '../failure.js';
import { emit, talk } from '../output.js';
import { globals } from '../session.js';
import { table } from '../table.js';
import { paint, safe } from '../text.js';

interface TrustOptions {
  readonly write?: true;
  readonly yes?: true;
}

interface Shown extends ServerIdentity {
  readonly pinned: boolean;
}

export function trustCommand(): Command {
  return new Command('trust')
    .description('Show the host keys of a server, compare them with the pinned one, and with --write pin what it has; needs no running service')
    .argument('<system>')
    .option('--write', 'put the fingerprint into the file the system stands in')
    .option('--yes', 'do not ask before writing')
    .action(async (name: string, { write, yes }: TrustOptions, command: Command) => {
      const { config, output } = globals(command);
      const { writtenSystems } = await import('../../config/pinning.js');
      const systems = await writtenSystems(config);
      const system = systems.get(name);
      if (!system) {
        const near = nearest(name, [...systems.keys()]);
        throw coded('E552', `no system ${name} with a \`connect\` in ${config}`, near === undefined ? {} : { hint: `did you mean \`${near}\`?` });
      }
      const keys = await identities(name, system.adapter, system.connect);
      const pinned = pinnedOf(system.connect, keys[0]?.option);
      const shown = keys.map((key): Shown => ({ ...key, pinned: pinned.includes(key.fingerprint) }));
      emit(output, shown, () => keysText(shown));
      const [best] = shown;
      if (!best) throw coded('E481', `the server of ${name} shows no host key of a kind that is known`);
      if (shown.some((key) => key.pinned)) {
        talk(best.pinned ? `the pinned key is the server's` : `a pinned key is the server's, but connections will be shown ${best.kind}`);
        if (best.pinned) return;
      } else if (pinned.length > 0) {
        talk(
          `WARNING: the server shows none of the pinned keys:\n${pinned.map((each) => `  ${each}`).join('\n')}\nEither its key was changed, or somebody else answers in its place.`,
        );
      }
      talk(howToVerify(best));
      if (!write) {
        talk(`when it is the same: signalbox systems trust ${name} --write`);
        process.exitCode = EXIT.problem;
        return;
      }
      if (!(await confirm(`Pin ${best.kind} ${best.fingerprint} in ${system.file}?`, yes === true))) {
        process.exitCode = EXIT.problem;
        return;
      }
      const { withConnectOption } = await import('../../config/pinning.js');
      const text = withConnectOption(system, name, best.option, best.fingerprint);
      if (text === undefined)
        throw coded('E481', `${system.file} cannot be changed in one place`, { hint: `write \`${best.option}: "${best.fingerprint}"\` into \`connect\` of ${name}` });
      await replaceFile(join(config, system.file), text);
      talk(`${system.file}: ${best.option} of ${name} is ${best.fingerprint}; \`signalbox check\`, then \`signalbox reload\``);
    });
}

async function identities(name: string, adapter: unknown, connect: Readonly<Record<string, unknown>>): Promise<readonly ServerIdentity[]> {
  const { catalog } = await import('../../adapters/catalog.js');
  const spec = catalog.find((each) => each.name === adapter);
  if (!spec?.identify) throw coded('E481', `${name} has the adapter ${String(adapter)}, which pins no host key`, { hint: 'only systems with the adapter `sftp` have one' });
  try {
    return await spec.identify(connect, AbortSignal.timeout(60_000));
  } catch (error) {
    const failure = failureOf(error);
    throw failure ? coded(failure.code, failure.message, { cause: error }) : coded('E400', describe(error), { cause: error });
  }
}

function pinnedOf(connect: Readonly<Record<string, unknown>>, option = ''): readonly string[] {
  const value = connect[option];
  return (Array.isArray(value) ? value : [value]).filter((each) => typeof each === 'string').map((each) => each.replace(/=$/, ''));
}

function keysText(keys: readonly Shown[]): string {
  return table(
    ['KEY', 'FINGERPRINT', 'PINNED'],
    keys.map((key) => [safe(key.kind), safe(key.fingerprint), key.pinned ? paint('green', 'yes') : 'no']),
  );
}

function howToVerify({ kind }: Shown): string {
  const file = kind.startsWith('ecdsa') ? 'ecdsa' : kind.replace('ssh-', '');
  return [
    'What a connection shows proves nothing about who answers. Compare the first fingerprint with one that comes another way:',
    'ask the operator of the server by telephone or a signed mail; there it is printed by',
    `  ssh-keygen -lf /etc/ssh/ssh_host_${file}_key.pub`,
  ].join('\n');
}

/** Beside it and renamed: a crash leaves the old file or the new one. */
async function replaceFile(file: string, text: string): Promise<void> {
  const path = await realpath(file);
  const beside = `${path}.${process.pid}.new`;
  await writeFile(beside, text, { mode: (await stat(path)).mode, flag: 'wx' });
  await rename(beside, path);
}
