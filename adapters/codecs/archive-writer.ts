// The one place that knows yazl: a ZIP file in memory, the same bytes for the same content.

export interface NewEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export async function zipOf(entries: readonly NewEntry[]): Promise<Buffer> {
  const { default: yazl } = await import('yazl');
  const zip = new yazl.ZipFile();
  for (const { name, bytes } of entries) {
    // The time is left out: a repeat must give the same bytes.
    zip.addBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name, { mtime: new Date(1980, 0, 1), mode: 0o100644, forceDosTimestamp: true });
  }
  zip.end();
  const parts: Buffer[] = [];
  for await (const part of zip.outputStream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
