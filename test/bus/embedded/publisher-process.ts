// A process that publishes until it is killed, and says after each confirm which message was confirmed.
import { EmbeddedBroker } from '../../../bus/embedded/embedded-broker.js';
import { clock, recorder } from '../../kit/broker/services.js';

const [directory = '', channel = ''] = process.argv.slice(2);
const broker = new EmbeddedBroker({ directory, clock, log: recorder() });
await broker.open(new AbortController().signal);
await broker.declare({ name: channel });
let next = 0;
const lane = async (): Promise<void> => {
  for (;;) {
    const id = `m${String(next++).padStart(6, '0')}`;
    process.stdout.write(`attempt ${id}\n`);
    await broker.publish(channel, { id, headers: {}, body: Buffer.alloc(1_024, 1) });
    process.stdout.write(`confirm ${id}\n`);
  }
};
await Promise.all(Array.from({ length: 64 }, lane));
