// A process that waits for signals as `signalbox run` does, with a service that takes its time to stop.

import { untilStopped } from '../../cli/until-stopped.js';
import type { Running } from '../../console/service.js';
import { fakeService } from '../console/fake-service.js';

const alive = setInterval(() => undefined, 60_000);
const done = Promise.withResolvers<number>();
const running: Running = {
  service: fakeService(),
  async stop(reason) {
    process.stdout.write(`stopping ${reason}\n`);
    if (process.argv[2] === 'quick') done.resolve(0);
    if (process.argv[2] === 'broken') throw new Error('cannot');
  },
  done: done.promise,
};
const code = untilStopped(running);
process.stdout.write('ready\n');
process.exitCode = await code;
clearInterval(alive);
