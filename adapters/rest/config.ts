import { z } from 'zod';
import { byteSize, duration, parseTemplate, type Secret, secret } from '../contract/index.js';

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
const PLAIN_PATH = /^(\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;
/** Ours to set, or dangerous in other hands. */
const RESERVED =
  /^(host|content-(length|type|encoding)|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|authorization|proxy-.*|cookie|idempotency-key|traceparent|accept-encoding)$/i;

const headerName = () => z.string().regex(TOKEN, 'expected the name of a header, such as x-signature');
const longSecret = (bytes: number) =>
  secret().refine((value) => Buffer.byteLength((value as Secret).reveal()) >= bytes, `the secret is shorter than ${bytes} bytes; a guessable one protects nothing`);
const user = () =>
  z
    .string()
    .regex(/^[^:\p{Cc}]{1,100}$/u, 'expected a name without a colon')
    .meta({ title: 'User', examples: ['signalbox'] });
const tolerance = () =>
  duration({ min: '10s', max: '1h' })
    .default(300_000)
    .meta({ title: 'Time tolerance', description: 'How far the time in the request may be from ours, both ways.', advanced: true, examples: ['5m'] });
const numbers = () =>
  z
    .enum(['exact', 'text'])
    .default('exact')
    .meta({ title: 'Numbers', description: '`exact` writes JSON numbers with all their digits; `text` writes them as text, for a partner that would round.', examples: ['exact'] });

export const connectSchema = z
  .strictObject({
    base: z
      .url({ protocol: /^https?$/, error: 'expected an address such as https://crm.corp.local/api' })
      .refine((text) => !/[?#@]/.test(text), 'an address without user, query and fragment')
      .optional()
      .meta({ title: 'Base address', description: 'Paths of `write:` and `call:` are added to it. Not needed for webhooks only.', examples: ['https://crm.corp.local/api'] }),
    bearer: secret().optional().meta({ title: 'Bearer token', description: 'Sent as `Authorization: Bearer ...` (RFC 6750).' }),
    basic: z
      .strictObject({ user: user(), password: secret().meta({ title: 'Password' }) })
      .optional()
      .meta({ title: 'Basic authentication', description: 'User and password (RFC 7617).' }),
    api_key: z
      .strictObject({
        header: headerName()
          .refine((name) => !RESERVED.test(name), 'this header has its own option, or cannot be set')
          .meta({ title: 'Header', examples: ['x-api-key'] }),
        value: secret().meta({ title: 'Key' }),
      })
      .optional()
      .meta({ title: 'API key', description: 'A key in a header of its own.' }),
    timeout: duration({ min: '100ms', max: '10m' })
      .default(30_000)
      .meta({ title: 'Timeout', description: 'For one request, its answer included.', examples: ['30s'] }),
    max_answer: byteSize({ max: 256 * 1024 * 1024 })
      .default(1024 * 1024)
      .meta({ title: 'Largest answer', advanced: true, examples: ['1MiB'] }),
    ca: z
      .string()
      .min(1)
      .optional()
      .meta({
        title: 'Certificate authority',
        description: 'PEM text or the path of a PEM file; replaces the authorities of the system. Certificates are always verified.',
        examples: ['/etc/signalbox/corp-ca.pem'],
      }),
    probe_path: z
      .string()
      .regex(/^\/[\x21-\x7e]*$/)
      .optional()
      .meta({ title: 'Path for the connection test', description: 'Read with GET by `systems test`; its status proves the credentials.', examples: ['/health'] }),
  })
  .refine(({ bearer, basic, api_key }) => [bearer, basic, api_key].filter((each) => each !== undefined).length <= 1, 'only one of `bearer`, `basic` and `api_key`');
export type Connect = z.infer<typeof connectSchema>;

const authSchema = z.union([
  z.strictObject({ bearer: longSecret(16).meta({ title: 'Bearer token', description: 'The sender must send `Authorization: Bearer <token>`.' }) }),
  z.strictObject({
    basic: z
      .strictObject({ user: user(), password: longSecret(8).meta({ title: 'Password' }) })
      .meta({ title: 'Basic authentication', description: 'User and password (RFC 7617).' }),
  }),
  z.strictObject({
    hmac: z
      .strictObject({
        header: headerName().meta({ title: 'Signature header', examples: ['x-hub-signature-256'] }),
        secret: longSecret(24).meta({ title: 'Signing secret' }),
        previous: longSecret(24).optional().meta({ title: 'Previous secret', description: 'Still taken while the sender changes to the new one.' }),
        algorithm: z
          .enum(['sha256', 'sha512'])
          .default('sha256')
          .meta({ title: 'Algorithm', examples: ['sha256'] }),
        encoding: z.enum(['hex', 'base64']).meta({ title: 'Encoding', examples: ['hex'] }),
        prefix: z
          .string()
          .max(20)
          .default('')
          .meta({ title: 'Prefix', description: 'Stands before the digest in the header.', examples: ['sha256='] }),
      })
      .meta({ title: 'HMAC signature', description: 'Over the body as it came (GitHub, Shopify and many others).' }),
  }),
  z.strictObject({
    standard_webhooks: z
      .strictObject({
        secret: webhookSecret().meta({ title: 'Signing secret', description: '`whsec_` and 24 to 64 bytes in base64.' }),
        previous: webhookSecret().optional().meta({ title: 'Previous secret' }),
        tolerance: tolerance(),
      })
      .meta({ title: 'Standard Webhooks', description: 'Signature over id, time and body as standardwebhooks.com says, symmetric keys.' }),
  }),
  z.strictObject({
    stripe: z
      .strictObject({
        secret: longSecret(24).meta({ title: 'Signing secret' }),
        previous: longSecret(24).optional().meta({ title: 'Previous secret' }),
        tolerance: tolerance(),
      })
      .meta({ title: 'Stripe signature', description: '`Stripe-Signature` with `t` and `v1`.' }),
  }),
]);
export type Auth = z.infer<typeof authSchema>;

function webhookSecret() {
  return secret().refine((value) => webhookKey(value as Secret) !== undefined, 'expected `whsec_` and 24 to 64 bytes in base64');
}

/** The key in a Standard Webhooks secret. */
export function webhookKey(value: Secret): Buffer | undefined {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(value.reveal())?.[1] ?? '';
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text && key.byteLength >= 24 && key.byteLength <= 64 ? key : undefined;
}

export const readSchema = z.strictObject({
  path: z
    .string()
    .regex(PLAIN_PATH, 'expected a plain path such as /hooks/orders')
    .meta({ title: 'Path', description: 'Where senders post to, at the listener of `listen:`.', examples: ['/hooks/orders'] }),
  method: z
    .enum(['POST', 'PUT'])
    .default('POST')
    .meta({ title: 'Method', advanced: true, examples: ['POST'] }),
  auth: authSchema.meta({ title: 'Authentication', description: 'One of the forms below; an open webhook cannot be configured.', examples: [{ bearer: '${secret:shop-hook}' }] }),
  max_body: byteSize({ max: 64 * 1024 * 1024 })
    .default(1024 * 1024)
    .meta({ title: 'Largest body', examples: ['1MiB'] }),
  id: z
    .string()
    .refine((text) => (text.startsWith('/') ? /^(\/([^~/]|~[01])*)+$/.test(text) : TOKEN.test(text)), 'expected the name of a header or a JSON pointer such as /order/id')
    .optional()
    .meta({
      title: 'Delivery id',
      description: 'A header, or a place in the body (JSON pointer), that is the same whenever the sender repeats a delivery. Left out: see the guide of the adapter.',
      examples: ['x-github-delivery', '/event/id'],
    }),
  format: z
    .enum(['json', 'cloudevents'])
    .default('json')
    .meta({ title: 'Format', description: '`cloudevents` takes CloudEvents 1.0 in structured and in binary mode.', examples: ['json'] }),
  answer_within: duration({ min: '100ms', max: '60s' })
    .default(20_000)
    .meta({ title: 'Answer within', description: 'When the input is not stored by then the sender is told to come again.', advanced: true, examples: ['4s'] }),
});
export type Read = z.infer<typeof readSchema>;

const targetPath = () =>
  z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'expected a path that begins with /')
    .refine((text) => !text.includes('#'), 'a path has no fragment');

const templatePath = () =>
  targetPath().superRefine((text, context) => {
    const template = parseTemplate(text);
    if (typeof template === 'string') context.addIssue({ code: 'custom', message: template });
  });
const statuses = (standard: readonly number[]) => {
  const status = z.int().min(200).max(499);
  return z
    .union([status, z.array(status).min(1)])
    .default([...standard])
    .transform((given): readonly number[] => (typeof given === 'number' ? [given] : given));
};

export const writeSchema = z.strictObject({
  method: z
    .enum(['POST', 'PUT', 'PATCH', 'DELETE'])
    .default('POST')
    .meta({ title: 'Method', examples: ['POST', 'PUT'] }),
  path: templatePath().meta({
    title: 'Path',
    description: 'Below `base`. Places such as {key} are filled from the message and encoded.',
    examples: ['/shipments', '/shipments/{key}'],
  }),
  headers: z
    .record(
      headerName().refine((name) => !RESERVED.test(name), 'this header cannot be set here'),
      z.string().regex(/^[\x20-\x7e]{0,500}$/, 'expected plain text'),
    )
    .default({})
    .meta({ title: 'Headers', description: 'Sent with each request, always the same.', examples: [{ 'x-tenant': 'main' }] }),
  numbers: numbers(),
  success: z
    .array(z.int().min(200).max(499))
    .min(1)
    .default([200, 201, 202, 204])
    .meta({ title: 'Success', description: 'Status codes that say the target has it. Add 409 where it means "already there".', examples: [[200, 201, 202, 204, 409]] }),
  idempotency_key: headerName()
    .refine((name) => name.toLowerCase() === 'idempotency-key' || !RESERVED.test(name), 'this header has its own option, or cannot be set')
    .default('idempotency-key')
    .meta({
      title: 'Idempotency key',
      description:
        'Header that carries the key of the delivery, the same for each attempt. `none` for a partner that knows no such header: a repeated `POST` or `PATCH` then has a second effect.',
      examples: ['idempotency-key', 'x-request-id', 'none'],
    }),
  unknown_status: z
    .array(z.int().min(500).max(599))
    .default([502, 504])
    .meta({
      title: 'Status that leaves it open',
      description: 'A gateway answers these when it lost the answer behind it: whether the target has it is unknown. `[]` where there is no gateway.',
      advanced: true,
      examples: [[500, 502, 504]],
    }),
  verify: z
    .strictObject({
      path: templatePath().meta({ title: 'Path', description: 'Read with GET; must name this one delivery.', examples: ['/bookings/{key}'] }),
      done: statuses([200]).meta({ title: 'Done', description: 'Status codes that say the target has it.', examples: [200, [200, 204]] }),
      not_done: statuses([404]).meta({
        title: 'Not done',
        description: 'Status codes that say for certain it has not. Every other answer leaves it open, and it is asked again.',
        examples: [404, [404, 410]],
      }),
    })
    .refine(({ done, not_done }) => ![done].flat().some((status) => [not_done].flat().includes(status)), 'a status cannot be both `done` and `not_done`')
    .optional()
    .meta({
      title: 'Verify',
      description: 'How to find out whether a delivery was made when its answer was lost; for `on_unknown: verify`.',
      examples: [{ path: '/bookings/{key}', done: 200, not_done: 404 }],
    }),
  expect: z
    .enum(['json', 'any'])
    .default('json')
    .meta({
      title: 'Expected answer',
      description: '`json`: an answer with a body must be JSON, so that a login or error page with status 200 is no success.',
      advanced: true,
      examples: ['json'],
    }),
});
export type Write = z.infer<typeof writeSchema>;

/** The same request twice has one effect: by its method (RFC 9110 section 9.2.2), or because the partner knows the key. */
export function isRepeatable({ method, idempotency_key }: Write): boolean {
  return idempotency_key !== 'none' || method === 'PUT' || method === 'DELETE';
}

export const callSchema = z.strictObject({
  path: targetPath()
    .refine((text) => !/[{}]/.test(text.replace(/\{[A-Za-z_][A-Za-z0-9_]*\}/g, '')), 'expected places such as {customer}')
    .meta({ title: 'Path', description: 'Read with GET. Places are filled from the parameters; the other parameters become the query.', examples: ['/customers/{customer}'] }),
});
export type Call = z.infer<typeof callSchema>;
