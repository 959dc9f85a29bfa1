import { z } from 'zod';
import { byteSize, Secret, secret } from '../contract/index.js';
import type { Codec } from './codec.js';
import { failedRecord, guarded } from './compression.js';
import type { ReadKeys, WriteKeys } from './openpgp.js';
import type { Spool } from './spool.js';

const unlock = () =>
  z.strictObject({
    key: secret().meta({ title: 'Private key', description: 'As text (gpg --armor --export-secret-keys).' }),
    passphrase: secret().optional().meta({ title: 'Passphrase', description: 'Of the private key.' }),
  });

const publicKey = z
  .union([z.instanceof(Secret), z.string()])
  .refine(
    (key) => typeof key !== 'string' || key.trimStart().startsWith('-----BEGIN PGP PUBLIC KEY BLOCK-----'),
    'expected a public key: -----BEGIN PGP PUBLIC KEY BLOCK-----, or a reference to one',
  )
  .meta({ examples: ['${secret:partner_key}'] });
const publicKeysOption = () => z.array(publicKey).min(1);

export const pgpReadOptions = z
  .strictObject({
    decrypt: unlock().optional().meta({ title: 'Decrypt', description: 'With this key. A file that is not encrypted is refused.' }),
    verify: publicKeysOption()
      .optional()
      .meta({ title: 'Verify', description: 'A valid signature of one of these public keys is required. Nothing of a file is taken over before its signature was checked.' }),
    max_size: byteSize()
      .prefault('8GiB')
      .meta({ title: 'Most bytes', description: 'Of the content, which is kept in the folder for temporary files (TMPDIR) until it was checked.', advanced: true }),
  })
  .refine(({ decrypt, verify }) => decrypt !== undefined || verify !== undefined, 'decrypt or verify is needed');

export const pgpWriteOptions = z
  .strictObject({
    sign: unlock().optional().meta({ title: 'Sign', description: 'With this key.' }),
    encrypt: publicKeysOption().optional().meta({ title: 'Encrypt', description: 'For these public keys.' }),
    armor: z.boolean().default(false).meta({ title: 'Armor', description: 'Written as text.' }),
  })
  .refine(({ sign, encrypt }) => sign !== undefined || encrypt !== undefined, 'sign or encrypt is needed');

export type PgpOptions = Partial<z.output<typeof pgpReadOptions> & z.output<typeof pgpWriteOptions>>;

/** OpenPGP (RFC 9580) around a format. */
export function pgpCodec(inner: Codec, options: PgpOptions): Codec {
  let reading: Promise<ReadKeys> | undefined;
  let writing: Promise<WriteKeys> | undefined;
  return {
    ...inner,
    repeatable: false,
    async ready() {
      // Read again each time: a key expires.
      reading = options.decrypt || options.verify ? readKeys(options) : undefined;
      await reading;
      writing = options.sign || options.encrypt ? writeKeys(options) : undefined;
      await writing;
    },
    async *decode(bytes, source) {
      const { opened } = await import('./openpgp.js');
      reading ??= readKeys(options);
      let spool: Spool | undefined;
      try {
        spool = await opened(bytes, await reading, source, options.max_size ?? 0);
        yield* guarded(inner.decode(spool.read(), source), 0);
      } catch (error) {
        yield [failedRecord(1, error)];
      } finally {
        await spool?.close();
      }
    },
    async encode(payloads) {
      const { closed } = await import('./openpgp.js');
      writing ??= writeKeys(options);
      return closed(await inner.encode(payloads), await writing, options.armor ?? false);
    },
  };
}

async function readKeys({ decrypt, verify }: PgpOptions): Promise<ReadKeys> {
  const { privateKey, publicKeys } = await import('./openpgp.js');
  return { decryption: decrypt && (await privateKey(decrypt, 'decrypt')), verification: verify && (await publicKeys(verify, 'verify')) };
}

async function writeKeys({ sign, encrypt }: PgpOptions): Promise<WriteKeys> {
  const { privateKey, publicKeys } = await import('./openpgp.js');
  return { signing: sign && (await privateKey(sign, 'sign')), encryption: encrypt && (await publicKeys(encrypt, 'encrypt')) };
}
