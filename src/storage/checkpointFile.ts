/**
 * Checkpoint files: a compact, consistent copy of a store in one file that can be kept, carried elsewhere and put back.
 *
 * Owns the form of the file (LMDB's own compact copy, a manifest as JSON, its length, a magic number), its name, and which of them are kept.
 * Leaves to others when one is written and what a peer may do with a disk that was put back. Invariant: a file with its final name was whole and on
 * disk when it got it; damage since then is found by its checksum before anything of it is trusted.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ToposphereError } from '../core/errors.ts';
import { DATA_FILE, isCode, stampOf } from './fileNames.ts';
import { syncFolder } from './wholeFile.ts';

const SUFFIX = '.checkpoint';
/** A name sorts by time: `alpha-20261129T140512345Z.checkpoint`. */
const STAMP = /^-\d{8}T\d{9}Z\.checkpoint$/;
/** The last bytes of every checkpoint file, after the length of the manifest as 32 bits. */
const MAGIC = Buffer.from('TOPOCKP1', 'latin1');
const LENGTH_BYTES = 4;
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;
/** Free bytes that must be left beside a copy as large as the store. */
const SPARE_BYTES = 16 * 1024 * 1024;

/** What is said of a copy beside its bytes. */
export interface CheckpointFacts {
  /** The peer whose disk was copied. */
  readonly id: string;
  readonly clusterId: string;
  /** Visible keys. */
  readonly keys: number;
  /** Last sequence with nothing missing below it, by origin: what the copy holds at least. */
  readonly vector: Readonly<Record<string, number>>;
  /** Milliseconds since 1970 up to which deletions were collected. */
  readonly horizonMs: number;
  /** Equal for copies between which nothing was written or collected. */
  readonly fingerprint: string;
}

export interface Manifest extends CheckpointFacts {
  /** ISO 8601, by the peer's wall clock. */
  readonly writtenAt: string;
  /** Length of the copy at the beginning of the file. */
  readonly bytes: number;
  /** Of the copy, hexadecimal. */
  readonly sha256: string;
}

interface WriteOptions {
  readonly folder: string;
  readonly facts: CheckpointFacts;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Bytes that the store takes: a copy needs no more. */
  readonly storeBytes: number;
  /** Copies the store into an empty folder. */
  readonly copyTo: (folder: string) => Promise<void>;
}

/** Writes a checkpoint file and answers its path. Throws DISK_FULL before it begins, STORAGE_FAILED; then no file with a final name was left. */
export async function writeCheckpoint(options: WriteOptions): Promise<string> {
  const { folder, facts, nowMs, storeBytes, copyTo } = options;
  const writtenAt = new Date(nowMs).toISOString();
  const path = join(folder, `${facts.id}-${stampOf(nowMs)}${SUFFIX}`);
  let draft: string | undefined;
  try {
    await mkdir(folder, { recursive: true });
    await removeDrafts(folder, facts.id);
    await assertSpace(folder, storeBytes);
    draft = await mkdtemp(join(folder, draftPrefix(facts.id)));
    await copyTo(draft);
    const copied = join(draft, DATA_FILE);
    const manifest: Manifest = { ...facts, writtenAt, ...(await measure(copied)) };
    await finish(copied, manifest);
    await rename(copied, path);
    await syncFolder(folder);
    return path;
  } catch (error) {
    if (error instanceof ToposphereError) throw error;
    throw new ToposphereError(
      'STORAGE_FAILED',
      `writing the checkpoint ${path} failed: ${reasonOf(error)}. The earlier ones are as they were; check the disk of ${folder}`,
      { cause: error },
    );
  } finally {
    if (draft !== undefined) await rm(draft, { recursive: true, force: true });
  }
}

/** Paths of a peer's checkpoint files, the newest first; none where there is no such folder. Throws STORAGE_FAILED for a folder that cannot be read. */
export async function listCheckpoints(folder: string, id: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return [];
    throw new ToposphereError(
      'STORAGE_FAILED',
      `the folder of checkpoint files ${folder} cannot be read: ${reasonOf(error)}`,
      { cause: error },
    );
  });
  const own = names.filter((name) => name.startsWith(id) && STAMP.test(name.slice(id.length)));
  return own
    .sort()
    .reverse()
    .map((name) => join(folder, name));
}

/** Removes all but the newest `keep` files of a peer. Throws STORAGE_FAILED. */
export async function pruneCheckpoints(folder: string, id: string, keep: number): Promise<void> {
  try {
    for (const path of (await listCheckpoints(folder, id)).slice(keep)) await rm(path, { force: true });
  } catch (error) {
    throw new ToposphereError(
      'STORAGE_FAILED',
      `removing old checkpoint files of ${id} from ${folder} failed: ${reasonOf(error)}. The new one was written`,
      { cause: error },
    );
  }
}

/** What a file says of itself; the copy in it is not looked at. Throws BAD_CHECKPOINT. */
export async function readManifest(path: string): Promise<Manifest> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw badCheckpoint(path, `it cannot be read (${reasonOf(error)})`);
  });
  try {
    return await readManifestOf(file, path);
  } finally {
    await file.close();
  }
}

/** Reads the whole file and compares its checksum. Throws BAD_CHECKPOINT. */
export async function verifyCheckpoint(path: string): Promise<Manifest> {
  const manifest = await readManifest(path);
  const { sha256 } = await measure(path, manifest.bytes).catch((error: unknown) => {
    throw badCheckpoint(path, `it cannot be read (${reasonOf(error)})`);
  });
  if (sha256 !== manifest.sha256) throw badCheckpoint(path, 'its bytes are damaged (the checksum differs)');
  return manifest;
}

/** Puts the copy of a verified file into a folder without a store. Throws STORAGE_FAILED; nothing that looks like a store was left then. */
export async function extractCheckpoint(path: string, { bytes }: Manifest, folder: string): Promise<void> {
  const target = join(folder, DATA_FILE);
  const draft = `${target}.partial`;
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(draft, 'w');
    try {
      for await (const chunk of createReadStream(path, { end: bytes - 1 })) await file.write(chunk as Buffer);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, target);
    await syncFolder(folder);
  } catch (error) {
    await rm(draft, { force: true });
    throw new ToposphereError(
      'STORAGE_FAILED',
      `restoring ${path} into ${folder} failed: ${reasonOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function draftPrefix(id: string): string {
  return `.${id}-partial-`;
}

/** Left by a process that was ended while it wrote one; only one process at a time has the peer's store. */
async function removeDrafts(folder: string, id: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.startsWith(draftPrefix(id))) await rm(join(folder, name), { recursive: true, force: true });
}

async function assertSpace(folder: string, storeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const neededBytes = storeBytes + SPARE_BYTES;
  if (bavail * bsize >= neededBytes) return;
  throw new ToposphereError(
    'DISK_FULL',
    `no checkpoint was written: ${folder} has ${inMebibytes(bavail * bsize)} free, and a copy may need ${inMebibytes(neededBytes)}. Free some space, keep fewer of them, or choose another disk with --checkpoint-directory`,
  );
}

async function measure(
  path: string,
  bytes?: number,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let read = 0;
  for await (const chunk of createReadStream(path, bytes === undefined ? {} : { end: bytes - 1 })) {
    hash.update(chunk as Buffer);
    read += (chunk as Buffer).length;
  }
  return { bytes: read, sha256: hash.digest('hex') };
}

/** Appends the manifest; resolves when the file is on disk. */
async function finish(path: string, manifest: Manifest): Promise<void> {
  const text = Buffer.from(JSON.stringify(manifest));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  const file = await open(path, 'a');
  try {
    await file.write(Buffer.concat([text, length, MAGIC]));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readManifestOf(file: FileHandle, path: string): Promise<Manifest> {
  const { size } = await file.stat();
  const endBytes = LENGTH_BYTES + MAGIC.length;
  const end = await readAt(file, size - endBytes, endBytes);
  if (!end?.subarray(LENGTH_BYTES).equals(MAGIC))
    throw badCheckpoint(path, 'it is cut short, or no checkpoint file');
  const length = end.readUInt32BE(0);
  const text =
    length <= MAX_MANIFEST_BYTES ? await readAt(file, size - endBytes - length, length) : undefined;
  const manifest = text === undefined ? undefined : parseManifest(text.toString());
  if (manifest?.bytes !== size - endBytes - length)
    throw badCheckpoint(path, 'what it says of itself is damaged');
  return manifest;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer | undefined> {
  if (position < 0) return undefined;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return bytesRead === length ? buffer : undefined;
}

function parseManifest(text: string): Manifest | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const { id, clusterId, keys, vector, horizonMs, fingerprint, writtenAt, bytes, sha256 } =
    found as Partial<Manifest>;
  const areTexts = [id, clusterId, fingerprint, writtenAt, sha256].every(
    (value) => typeof value === 'string',
  );
  const areNumbers = [keys, horizonMs, bytes].every((value) => typeof value === 'number');
  return areTexts && areNumbers && typeof vector === 'object' ? (found as Manifest) : undefined;
}

function badCheckpoint(path: string, seen: string): ToposphereError {
  return new ToposphereError('BAD_CHECKPOINT', `${path} is not used: ${seen}`);
}

/** Whether a folder holds a store. */
export async function holdsStore(folder: string): Promise<boolean> {
  return stat(join(folder, DATA_FILE)).then(
    () => true,
    (error: unknown) => {
      if (isCode(error, 'ENOENT')) return false;
      throw error;
    },
  );
}

/** Gives a folder another name beside it; answers the new path. */
export async function setAside(folder: string, nowMs: number): Promise<string> {
  const aside = `${folder}-before-${stampOf(nowMs)}`;
  await rename(folder, aside);
  await syncFolder(dirname(folder));
  return aside;
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
