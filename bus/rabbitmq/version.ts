import { type Diagnosis, fine, problem, warning } from '../diagnosis.js';

const CHECK = 'rabbitmq.version';
/** Oldest patch of each series without a known bug that loses or blocks messages of quorum queues. */
const PATCHES: Readonly<Record<string, { readonly patch: number; readonly why: string }>> = {
  '3.13': { patch: 7, why: 'earlier patches have bugs in quorum queues that were repaired since' },
  '4.0': { patch: 9, why: 'earlier patches have bugs in quorum queues that were repaired since' },
  '4.1': { patch: 5, why: 'messages routed during a network partition are not published again, which blocks the channel (#14589)' },
  '4.2': { patch: 7, why: 'dead letters of a delay queue may be confirmed to the wrong member (#16203): a retry hangs' },
  '4.3': { patch: 5, why: 'leaders may commit entries that a majority does not have (ra#637), and recovery may lose state (#17012)' },
};

/** What is known of a version that the server names in its greeting. */
export function versionDiagnosis(version: string): Diagnosis {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  const found = `RabbitMQ ${version}`;
  const series = `${major}.${minor}`;
  if (major < 3 || (major === 3 && minor < 10)) {
    return problem(CHECK, found, 'before 3.10 quorum queues cannot expire messages, and dead-lettering loses them: there is no safe retry', 'upgrade RabbitMQ to 3.13 or 4.x');
  }
  if (major > 4 || (major === 4 && minor > 4)) {
    return warning(CHECK, found, 'this version is newer than any Signalbox was tested with', 'look in the release notes of Signalbox whether it is supported');
  }
  const least = PATCHES[series];
  if (least && patch < least.patch) return warning(CHECK, found, least.why, `upgrade RabbitMQ to ${series}.${least.patch} or later`);
  if (major === 3) {
    return warning(
      CHECK,
      found,
      'the RabbitMQ project repairs nothing in 3.x any more; Signalbox works with 3.10 and later',
      'upgrade RabbitMQ to 4.x, or use a distribution that maintains 3.x',
    );
  }
  return fine(CHECK, found);
}
