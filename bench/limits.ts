import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'amqplib';
import Database from 'better-sqlite3';

/** Messages per second of the bare broker: confirmed publishes (window 256) and a consumer with acknowledgements (prefetch 500) at the same time, one quorum queue. */
export async function rabbitmqLimit(url: string, body: Buffer, count: number): Promise<number> {
  const [out, into] = await Promise.all([connect(url, { noDelay: true }), connect(url, { noDelay: true })]);
  const publisher = await out.createConfirmChannel();
  const consumer = await into.createChannel();
  const queue = `bench.raw.${process.pid}.${Date.now()}`;
  await publisher.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  await consumer.prefetch(500);
  const finished = Promise.withResolvers<void>();
  let got = 0;
  await consumer.consume(queue, (message) => {
    if (!message) return;
    got++;
    if (got % 50 === 0 || got === count) consumer.ack(message, true);
    if (got === count) finished.resolve();
  });
  const started = performance.now();
  let sent = 0;
  const next = (): void => {
    if (sent >= count) return;
    sent++;
    publisher.publish('', queue, body, { persistent: true, mandatory: true, messageId: String(sent) }, (error) => (error ? finished.reject(error) : next()));
  };
  for (let i = 0; i < 256; i++) next();
  await finished.promise;
  const seconds = (performance.now() - started) / 1000;
  await publisher.deleteQueue(queue);
  await Promise.all([out.close(), into.close()]);
  return count / seconds;
}

/** Messages per second of bare SQLite: insert a group of 256 durably, read it, delete it durably; one thread, nothing else. */
export function sqliteLimit(body: Buffer, count: number): number {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
  const db = new Database(join(directory, 'limit.db'));
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; CREATE TABLE m (seq INTEGER PRIMARY KEY, id TEXT, body BLOB) STRICT');
  const insert = db.prepare('INSERT INTO m (id, body) VALUES (?, ?)');
  const read = db.prepare('SELECT seq, id, body FROM m ORDER BY seq LIMIT 256');
  const remove = db.prepare('DELETE FROM m WHERE seq <= ?');
  const started = performance.now();
  for (let done = 0; done < count; done += 256) {
    db.transaction(() => {
      for (let i = 0; i < 256; i++) insert.run(`message-${done + i}`, body);
    })();
    const rows = read.all() as { readonly seq: number }[];
    db.transaction(() => remove.run(rows.at(-1)?.seq))();
  }
  const seconds = (performance.now() - started) / 1000;
  db.close();
  rmSync(directory, { recursive: true, force: true });
  return count / seconds;
}
