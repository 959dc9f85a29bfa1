import { describe, expect, test } from '@jest/globals';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { services } from './services.js';

describe('test services', () => {
  test('PostgreSQL answers', async () => {
    const client = new pg.Client(await services.postgres());
    await client.connect();
    const { rows } = await client.query<{ one: number }>('select 1 as one');
    await client.end();
    expect(rows).toEqual([{ one: 1 }]);
  });

  test('MariaDB answers', async () => {
    const connection = await mysql.createConnection(await services.mariadb());
    const [rows] = await connection.query('select 1 as one');
    await connection.end();
    expect(rows).toEqual([{ one: 1 }]);
  });

  test('OpenSSH and RabbitMQ come up', async () => {
    expect((await services.sshd()).hostKey).toMatch(/^SHA256:/);
    expect((await services.rabbitmq()).url).toMatch(/^amqp:/);
  });
});
