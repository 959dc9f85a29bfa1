// The one place that knows openpgp, which is loaded when a file is encrypted or signed.

import type { Config, KeyID as LibraryKeyID, PrivateKey, PublicKey } from 'openpgp';
import { describe, failureOf, InvalidMessage, Misconfigured, type Secret } from '../contract/index.js';
import { Spool } from './spool.js';

type KeyID = Pick<LibraryKeyID, 'toHex'>;

interface VerificationResult {
  readonly keyID: KeyID;
  /** Rejects with what is wrong. */
  readonly verified: Promise<true>;
}

export interface Unlock {
  readonly key: Secret;
  readonly passphrase?: Secret | undefined;
}

export interface ReadKeys {
  readonly decryption: PrivateKey | undefined;
  readonly verification: readonly PublicKey[] | undefined;
}

export interface WriteKeys {
  readonly signing: PrivateKey | undefined;
  readonly encryption: readonly PublicKey[] | undefined;
}

const library = () => import('openpgp');
/** Of a recipient that is not named. */
const ANYBODY = '0'.repeat(16);
const ARMOR = '-----BEGIN PGP MESSAGE-----';

/** @throws Misconfigured E372 when it is none, cannot be unlocked, or can never be used so */
export async function privateKey({ key, passphrase }: Unlock, use: 'decrypt' | 'sign'): Promise<PrivateKey> {
  const { decryptKey, readPrivateKey } = await library();
  let unlocked: PrivateKey;
  try {
    const locked = await readPrivateKey({ armoredKey: key.reveal() });
    if (!locked.isDecrypted() && !passphrase) throw new Error('it has a passphrase, and none is given');
    unlocked = passphrase && !locked.isDecrypted() ? await decryptKey({ privateKey: locked, passphrase: passphrase.reveal() }) : locked;
  } catch (error) {
    throw new Misconfigured('E372', `the private key ${key.name}: ${describe(error)}`, { cause: error });
  }
  try {
    // What was encrypted before a key expired can be read after it.
    const [{ keyPacket } = unlocked] = use === 'decrypt' ? await unlocked.getDecryptionKeys(undefined, null) : [await unlocked.getSigningKey()];
    if ('isDecrypted' in keyPacket && !keyPacket.isDecrypted()) throw new Error('its secret part is not there');
  } catch (error) {
    throw new Misconfigured('E372', `the private key ${key.name} cannot ${use}: ${describe(error)}`, { cause: error });
  }
  return unlocked;
}

/** @throws Misconfigured E372 when one is none, or cannot be used so */
export async function publicKeys(keys: readonly (Secret | string)[], use: 'encrypt' | 'verify'): Promise<readonly PublicKey[]> {
  const { readKeys } = await library();
  const read = keys.map(async (key, at) => {
    let found: readonly PublicKey[];
    try {
      found = (await readKeys({ armoredKeys: typeof key === 'string' ? key : key.reveal() })).map((each) => each.toPublic());
    } catch (error) {
      throw new Misconfigured('E372', `public key ${at + 1}: ${describe(error)}`, { cause: error });
    }
    try {
      if (use === 'encrypt') for (const each of found) await each.getEncryptionKey();
    } catch (error) {
      throw new Misconfigured('E372', `public key ${at + 1} cannot encrypt: ${describe(error)}`, { cause: error });
    }
    return found;
  });
  return (await Promise.all(read)).flat();
}

/**
 * The content, decrypted and verified to its last byte before anything of it can be read. The caller closes the spool.
 * @throws InvalidMessage E371, E373 and what `bytes` throws
 */
export async function opened(bytes: AsyncIterable<Uint8Array>, keys: ReadKeys, source: string, limit: number): Promise<Spool> {
  const { decrypt, readMessage, verify } = await library();
  // Unverified bytes go to the spool only; its content is released after integrity and signature were checked.
  const config: Partial<Config> = { allowUnauthenticatedStream: true, allowUnauthenticatedMessages: false, maxDecompressedMessageSize: limit };
  const input = new Input(bytes);
  const refused = (text: string, cause?: unknown): InvalidMessage => new InvalidMessage('E371', `${source}: ${text}`, { place: source, ...(cause === undefined ? {} : { cause }) });
  let spool: Spool | undefined;
  try {
    const message = (await input.isArmored())
      ? await readMessage({ armoredMessage: ReadableStream.from(input.text()) as ReadableStream<string>, config })
      : await readMessage({ binaryMessage: ReadableStream.from(input.read()) as ReadableStream<Uint8Array>, config });
    if (keys.decryption) checkRecipients(message.getEncryptionKeyIDs(), keys.decryption.getKeyIDs(), refused);
    const verification = keys.verification === undefined ? {} : { verificationKeys: [...keys.verification] };
    const { data, signatures } = keys.decryption
      ? await decrypt({ message, decryptionKeys: keys.decryption, ...verification, format: 'binary', config })
      : await verify({ message, verificationKeys: [...(keys.verification ?? [])], format: 'binary', config });
    for (const { verified, signature } of signatures) void Promise.allSettled([verified, signature]);
    spool = await Spool.of(streamed(data), limit, source);
    if (keys.verification) await checkSignatures(signatures, refused);
    return spool;
  } catch (error) {
    await spool?.close();
    if (input.broken) throw input.broken.error;
    // Refused by us, or no room for the spool: not the message's fault.
    if (failureOf(error)) throw error;
    throw refused(describe(error), error);
  } finally {
    await input.close();
  }
}

/** What goes in as a stream comes out as one. */
function streamed(data: unknown): AsyncIterable<Uint8Array> {
  if (typeof data !== 'object' || data === null || !(Symbol.asyncIterator in data)) throw new TypeError('openpgp gave no stream');
  return data as AsyncIterable<Uint8Array>;
}

/** The library only says that it found no key. */
function checkRecipients(recipients: readonly KeyID[], own: readonly KeyID[], refused: (text: string) => InvalidMessage): void {
  const [named, ours] = [recipients.map(hex), own.map(hex)];
  if (named.length === 0 || named.some((id) => id === ANYBODY || ours.includes(id))) return;
  const shown = `${named.slice(0, 5).join(', ')}${named.length > 5 ? ` and ${named.length - 5} more` : ''}`;
  const [primary, ...subkeys] = ours;
  throw refused(`it is encrypted for the key ${shown}, and the configured one is ${primary}${subkeys.length > 0 ? ` (${subkeys.join(', ')})` : ''}`);
}

function hex(id: KeyID): string {
  return id.toHex().toUpperCase();
}

async function checkSignatures(signatures: readonly VerificationResult[], refused: (text: string, cause?: unknown) => InvalidMessage): Promise<void> {
  if (signatures.length === 0) throw refused('it has no signature');
  const problems: string[] = [];
  for (const { keyID, verified } of signatures) {
    try {
      await verified;
      return;
    } catch (error) {
      problems.push(`key ${hex(keyID)}: ${describe(error)}`);
    }
  }
  throw refused(`no signature is accepted: ${problems.slice(0, 5).join('; ')}`);
}

/** @throws Misconfigured E372 when a key cannot be used, for instance because it has expired */
export async function closed(bytes: Uint8Array, keys: WriteKeys, armor: boolean): Promise<Uint8Array> {
  const { createMessage, encrypt, sign } = await library();
  try {
    const message = await createMessage({ binary: bytes });
    const signing = keys.signing ? { signingKeys: keys.signing } : {};
    if (armor) {
      const text = keys.encryption
        ? await encrypt({ message, encryptionKeys: [...keys.encryption], ...signing, format: 'armored' })
        : await sign({ message, signingKeys: keys.signing ?? [], format: 'armored' });
      return Buffer.from(text);
    }
    return keys.encryption
      ? await encrypt({ message, encryptionKeys: [...keys.encryption], ...signing, format: 'binary' })
      : await sign({ message, signingKeys: keys.signing ?? [], format: 'binary' });
  } catch (error) {
    throw new Misconfigured('E372', describe(error), { cause: error });
  }
}

/** The bytes with a look at their beginning, and the error of their source, which is not one of the message. */
class Input {
  broken: { readonly error: unknown } | undefined;
  private readonly input: AsyncIterator<Uint8Array>;
  private head = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.input = bytes[Symbol.asyncIterator]();
  }

  /** Binary packets begin with a byte that is no ASCII character. Text in front of the armor is refused: it is not signed. */
  async isArmored(): Promise<boolean> {
    while (this.head.length < 1_024) {
      const next = await this.next();
      if (!next) break;
      this.head = Buffer.concat([this.head, next]);
    }
    if ((this.head[0] ?? 0) >= 0x80) return false;
    const text = this.head.toString('latin1').trimStart();
    if (text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----')) throw new Error('it is signed text in the clear, which is not supported: sign it as a message (gpg --sign)');
    if (!text.startsWith(ARMOR)) throw new Error(`it is no OpenPGP message: it begins neither with a packet nor with ${ARMOR}`);
    return true;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    if (this.head.length > 0) yield this.head;
    for (let next = await this.next(); next; next = await this.next()) yield next;
  }

  async *text(): AsyncGenerator<string> {
    for await (const chunk of this.read()) yield Buffer.from(chunk).toString('latin1');
  }

  async close(): Promise<void> {
    await this.input.return?.();
  }

  private async next(): Promise<Uint8Array | undefined> {
    try {
      const next = await this.input.next();
      return next.done ? undefined : next.value;
    } catch (error) {
      this.broken = { error };
      throw error;
    }
  }
}
