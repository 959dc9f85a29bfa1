// Named moments at which a test lets the process die. Between two of them everything is either durable or not there.
//
// SIGNALBOX_FAILPOINT, read once when the process starts:
//   `<name>` or `<name>:<n>`  the process kills itself with SIGKILL when it comes to this moment (for the n-th time)
//   `watch:<file>`            the same with what the file says now; empty or absent: nothing. Every moment that was reached is added to `<file>.log`

import { appendFileSync, readFileSync } from 'node:fs';

/** Every durable step with what is true at that moment. A new step of the way of a message gets its line here; test/faults/crash-points.test.ts kills at each. */
export const FAILPOINTS = {
  'intake.payload.stored': 'a payload too large for a channel is in the store, nothing refers to it',
  'intake.publish.before': 'a record was routed, nothing of it is on the bus',
  'intake.publish.confirmed': 'one copy of a message is on the bus, the others perhaps not, the history knows nothing',
  'intake.store.before': 'all copies are on the bus, history, dead letters and known ids have nothing of the batch',
  'intake.history.written': 'the history has the batch',
  'intake.letters.written': 'the dead letters have what failed of the batch',
  'intake.dedupe.written': 'the ids of the batch are known',
  'source.lease.held': 'this node may poll',
  'source.checkpoint.before': 'a batch is accepted, its checkpoint is not written',
  'source.checkpoint.written': 'the checkpoint is written, the endpoint has not tidied up',
  'source.settled': 'the endpoint has tidied up after a batch',
  'webhook.answer.before': 'a request is stored, its sender has no answer',
  'files.claimed': 'a file was moved into the work folder, nothing is noted about it',
  'files.marker.removed': 'a file was claimed and its marker is gone, nothing is noted about it',
  'files.claim.noted': 'the content of a claimed file is noted, nothing of it was read',
  'files.progress.noted': 'some records of a file are on the bus, and people may know',
  'files.done.noted': 'all records of a file are on the bus, it lies in the work folder',
  'files.reason.written': 'the reason lies in the error folder, its file in the work folder',
  'files.put-away': 'a file lies in its archive or error folder, the note of it is there',
  'files.forgotten': 'nothing is noted about a file any more',
  'target.begin': 'a delivery was handed out, nothing was done',
  'target.send.before': 'the call is about to be made',
  'target.send.done': 'the effect is made, nothing here knows of it',
  'target.sending.written': 'the ledger says that the call is about to be made, it is not made',
  'target.unknown.written': 'the ledger says that nobody knows the outcome, nothing was done about it',
  'target.undone.written': 'the ledger has forgotten a call that certainly did nothing, nothing was done about it',
  'target.parked.written': 'a delivery waits for a person, the history does not know it',
  'target.ledger.written': 'the ledger says done, the history perhaps not',
  'target.history.written': 'the history says delivered, the channel has the message',
  'target.ack.before': 'everything is written, the channel has the message',
  'target.ack.given': 'the acknowledgement was given, perhaps not written',
  'target.retry.before': 'a delivery failed and may be tried again, nothing is noted',
  'target.retry.published': 'the later attempt waits on the ladder, the channel still has this one',
  'target.retry.history.written': 'the history knows of the later attempt, the channel still has this one',
  'target.dead.before': 'a delivery failed for good, nothing is noted',
  'target.dead.letter.written': 'the dead letters have the delivery, the history perhaps not',
  'target.dead.history.written': 'the history says dead, the dead letters perhaps not',
  'target.dead.ack.before': 'the dead letters and the history have the delivery, the channel has it too',
  'order.parked.written': 'a delivery and all of its key behind it are parked, the history does not know it, the channel has them too',
  'order.parked.history.written': 'the history says parked, the channel has them too',
  'order.released.delivered': 'a parked delivery was made, it is parked still',
  'order.released.removed': 'a parked delivery was made and is parked no more, those behind it are',
  'release.written': 'a key was released, nobody who serves it knows',
  'release.published': 'a key was released, who serves it will learn of it',
  'part.written': 'the bytes of a file are written beside its place, not made durable',
  'part.synced': 'a complete file lies beside its place',
  'file.marker.written': 'a file and its marker have their names, nothing here knows of it',
  'collect.added': 'a message waits durably for its file, nothing here knows of it',
  'collect.closed': 'a file takes no more messages, it is not written',
  'collect.placed': 'a collected file has its name, its messages still wait for it',
  'collect.forgotten': 'a collected file has its name, nothing waits for it any more',
  'file.linked': 'a file has its new name and the old one',
  'file.copied': 'a file that goes to another device has its complete copy beside its new place',
  'file.copy.renamed': 'a file that goes to another device is in its new place and in the old one',
  'file.renamed': 'a file has its name, the folder was not made durable',
  'file.folder.synced': 'a file is delivered, nothing here knows of it',
  'sql.commit.before': 'effect and inbox row are written, not committed',
  'sql.commit.done': 'effect and inbox row are committed, nothing here knows of it',
  'redelivery.begin': 'a dead letter was read, nothing was done',
  'redelivery.history.written': 'the history says redelivered, nothing is on the bus',
  'redelivery.published': 'the message is on the bus again, its letter is open',
  'redelivery.letter.closed': 'the letter is closed',
  'discard.history.written': 'the history says discarded, the letter is open',
  'discard.letter.closed': 'a letter was discarded',
  'resolve.ledger.written': 'the ledger has what a person said of an unknown outcome, nothing was done about it',
  'resolve.published': 'what was parked is on the bus again, and is parked still',
  'start.recorded': 'the revision is recorded, nothing runs',
  'start.targets.running': 'targets deliver, no source reads',
  'start.done': 'everything runs',
  'reload.recorded': 'the new revision is recorded, the old one runs',
  'reload.sources.stopped': 'the sources of the changed systems have stopped',
  'reload.targets.stopped': 'the targets of the changed systems have stopped',
  'prune.before': 'old entries are about to be removed',
  'prune.done': 'old entries were removed',
  'store.commit.before': 'a group of writes of the store is not committed',
  'store.commit.done': 'a group of writes of the store is committed, nobody was told',
  'store.fold.before': 'events were appended, their summaries are not committed',
  'store.fold.done': 'events and their summaries are committed',
  'bus.commit.before': 'a group of publishes, acknowledgements and takes of the embedded bus is not committed',
  'bus.commit.done': 'it is committed, nobody was told',
} as const satisfies Readonly<Record<string, string>>;

export type Failpoint = keyof typeof FAILPOINTS;

/** Called at the moment itself, on any thread; does nothing unless a test asked for it. @throws Error at the start of the process for a name that is none */
export const reached: (name: Failpoint) => void = plan(process.env['SIGNALBOX_FAILPOINT']);

function plan(setting: string | undefined): (name: Failpoint) => void {
  if (setting === undefined || setting === '') return () => undefined;
  if (setting.startsWith('watch:')) return watching(setting.slice('watch:'.length));
  return counting(setting);
}

function counting(setting: string): (name: Failpoint) => void {
  const [wanted = '', times = '1'] = setting.split(':');
  if (!Object.hasOwn(FAILPOINTS, wanted) || !/^[1-9][0-9]*$/.test(times)) throw new Error(`SIGNALBOX_FAILPOINT: ${setting} is no failpoint`);
  let left = Number(times);
  return (name) => {
    if (name !== wanted) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}

function watching(file: string): (name: Failpoint) => void {
  let setting = '';
  let armed = plan(undefined);
  return (name) => {
    appendFileSync(`${file}.log`, `${name}\n`);
    const now = read(file);
    if (now !== setting) armed = plan(now);
    setting = now;
    armed(name);
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return ''; // not armed
  }
}
