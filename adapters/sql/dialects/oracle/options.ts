import { z } from 'zod';
import { server } from '../server.js';

const { database: _, ...shared } = server(1521);

export const oracleConnect = z.strictObject({
  driver: z.literal('oracle').meta({
    title: 'Driver',
    description: 'Oracle Database 12.2 and later, without a client installation. Not tested against a server: the statements are tested as text only.',
  }),
  service: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.$-]{0,127}$/, 'expected a service name')
    .meta({ title: 'Service', description: 'Service name of the database, as the listener knows it.', examples: ['ERPPDB.corp.local'] }),
  ...shared,
});
