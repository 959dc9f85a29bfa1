import { z } from 'zod';
import { server } from '../server.js';

export const sqlserverConnect = z.strictObject({
  driver: z.literal('sqlserver').meta({
    title: 'Driver',
    description: 'Microsoft SQL Server 2016 and later, Azure SQL. Not tested against a server: the statements are tested as text only.',
  }),
  ...server(1433),
});
