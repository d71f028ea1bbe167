/**
 * Looks through LMDB's file before it is opened: mapped as it is, a file that was cut short ends the process (SIGBUS), and one that was
 * overwritten answers with what is not there.
 *
 * Owns what of LMDB's layout (1.0, as lmdb-js builds it) has to be known for that: which snapshots may be opened, and that every page its trees
 * reach is in the file, is the page that it says it is, and holds nodes within its bounds. Reads the file once, from its beginning to its end; 100 MB take
 * about a tenth of a second. Bytes within a node are not looked at: entries, rows, states and turns have checksums of their own.
 */
import { readFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** A page: 8 its number, 8 transaction, 2 unused, 2 flags, 2 lower and 2 upper bound of free space, or 4 pages of a long value. */
const PAGE_HEADER_BYTES = 24;
const FLAGS_OFFSET = 18;
const LOWER_OFFSET = 20;
const UPPER_OFFSET = 22;
const BRANCH = 1;
const LEAF = 2;
const LONG_VALUE = 4;
/** A node: 2 + 2 bytes of data (or its page, with the flags as the highest word), 2 flags, 2 bytes of key; then the key and the data. */
const NODE_HEADER_BYTES = 8;
const DATA_ON_PAGES = 1;
const DATA_IS_TREE = 2;
/** A tree: 4 page size, 2 flags, 2 depth, 8 each: branch pages, leaf pages, pages of long values, entries, root. */
const TREE_BYTES = 48;
const ROOT_OFFSET = 40;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
/** Behind the header of the first two pages: 4 magic, 4 version, 8 address, 8 map size, two trees, 8 last page, 8 transaction, 8 boot. The copy at half a page begins with the map size. */
const MAGIC = 0xbeef_c0de;
const TREES_OFFSET = 24;
const TRANSACTION_OFFSET = 128;
const BOOT_OFFSET = 136;
const META_BYTES = 144;
/** In the flags of the first tree: the snapshot may not be on disk yet. */
const OVERLAPPING_SYNC = 0x1000;

const LEAST_PAGE_BYTES = 512;
const MOST_PAGE_BYTES = 65_536;
/** Read at a time. */
const CHUNK_PAGES = 1024;

interface Snapshot {
  readonly pageBytes: number;
  readonly isMaybeUnflushed: boolean;
  readonly transaction: bigint;
  readonly boot: bigint;
  readonly roots: readonly bigint[];
}

/** What the pages of a file say of themselves. */
interface Pages {
  readonly count: number;
  /** BRANCH, LEAF or LONG_VALUE; 0 for a page that is none of them, or not well formed. */
  readonly kinds: Uint8Array;
  /** Pages that a page refers to: of trees, and the first of long values with how many there are. */
  readonly below: Map<number, number[]>;
  readonly longValues: Map<number, { readonly page: number; readonly pages: number }[]>;
  readonly lengths: Map<number, number>;
}

/** What is wrong with the file, in words that follow its name; undefined if it is whole, or empty. Rejects when it cannot be read. */
export async function findDamage(path: string): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size === 0) return undefined;
    const snapshots = await readSnapshots(file);
    const [first] = snapshots;
    if (first === undefined) return 'is not an LMDB file, or its first pages have been overwritten';
    const pages = await readPages(file, size, first.pageBytes);
    const damages = snapshots.map(({ roots }) => findBrokenPage(pages, roots));
    return damages.includes(undefined) ? undefined : damages[0];
  } finally {
    await file.close();
  }
}

/**
 * Those of which LMDB will open one; none where a page that should tell of one does not. In this same run of the machine it is the latest, whose writes are in
 * memory if not on disk. After a power cut it is the last that was flushed, which half a page behind the first stands; should LMDB see that otherwise, one of
 * the others.
 */
async function readSnapshots(file: FileHandle): Promise<readonly Snapshot[]> {
  const first = await readMeta(file, 0);
  const second = first === undefined ? undefined : await readMeta(file, first.pageBytes);
  if (first === undefined || second?.pageBytes !== first.pageBytes) return [];
  const [earlier, later] = first.transaction >= second.transaction ? [second, first] : [first, second];
  const boot = readBoot();
  if (!later.isMaybeUnflushed || (later.boot !== 0n && later.boot === boot)) return [later];
  const flushed = await readMeta(file, first.pageBytes / 2, first.pageBytes);
  return flushed === undefined || flushed.transaction === 0n ? [earlier, later] : [flushed, earlier, later];
}

/** What a meta page says. Of a copy without magic and page size, as the flushed one is, the caller knows the page size. */
async function readMeta(
  file: FileHandle,
  start: number,
  knownPageBytes?: number,
): Promise<Snapshot | undefined> {
  const meta = Buffer.alloc(META_BYTES);
  const { bytesRead } = await file.read(meta, 0, META_BYTES, start + PAGE_HEADER_BYTES);
  if (bytesRead < META_BYTES) return undefined;
  if (knownPageBytes === undefined && meta.readUInt32LE(0) !== MAGIC) return undefined;
  const pageBytes = knownPageBytes ?? meta.readUInt32LE(TREES_OFFSET);
  if (pageBytes < LEAST_PAGE_BYTES || pageBytes > MOST_PAGE_BYTES || (pageBytes & (pageBytes - 1)) !== 0)
    return undefined;
  return {
    pageBytes,
    isMaybeUnflushed: (meta.readUInt16LE(TREES_OFFSET + 4) & OVERLAPPING_SYNC) !== 0,
    transaction: meta.readBigUInt64LE(TRANSACTION_OFFSET),
    boot: meta.readBigInt64LE(BOOT_OFFSET),
    roots: [0, 1].map((tree) => meta.readBigUInt64LE(TREES_OFFSET + tree * TREE_BYTES + ROOT_OFFSET)),
  };
}

/** What LMDB makes of the id of this run of the machine: its first digits. 0 where there is none. */
function readBoot(): bigint {
  try {
    const [digits = '0'] = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').split('-');
    return BigInt(`0x${digits}`);
  } catch {
    return 0n;
  }
}

async function readPages(file: FileHandle, size: number, pageBytes: number): Promise<Pages> {
  const count = Math.floor(size / pageBytes);
  const pages: Pages = {
    count,
    kinds: new Uint8Array(count),
    below: new Map(),
    longValues: new Map(),
    lengths: new Map(),
  };
  // 16 bits at a time, lowest byte first, as all processors that lmdb-js is built for have it; all that is looked at lies on even offsets.
  const chunk = new Uint16Array((CHUNK_PAGES * pageBytes) / 2);
  for (let first = 0; first < count;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, first * pageBytes);
    const read = Math.min(Math.floor(bytesRead / pageBytes), count - first);
    if (read === 0) break; // it has become shorter meanwhile
    for (let index = 0; index < read; index += 1) {
      const start = (index * pageBytes) / 2;
      notePage(pages, first + index, chunk.subarray(start, start + pageBytes / 2));
    }
    first += read;
  }
  return pages;
}

/** The 16 bits at an even offset, bytes. */
function word(page: Uint16Array, offset: number): number {
  return page[offset >> 1] ?? 0;
}

/** 32 bits, lower half first. */
function long(page: Uint16Array, offset: number): number {
  return word(page, offset) + word(page, offset + 2) * 2 ** 16;
}

/** 64 bits: exact for every page that there can be, and far beyond them all for what is none. */
function wide(page: Uint16Array, offset: number): number {
  return long(page, offset) + long(page, offset + 4) * 2 ** 32;
}

/** Nothing is noted of a page that does not bear its own number: it is free, or within a long value, or overwritten. */
function notePage(pages: Pages, number: number, page: Uint16Array): void {
  if (wide(page, 0) !== number) return;
  const kind = word(page, FLAGS_OFFSET) & (BRANCH | LEAF | LONG_VALUE);
  if (kind === LONG_VALUE) pages.lengths.set(number, long(page, LOWER_OFFSET));
  else if ((kind !== BRANCH && kind !== LEAF) || !noteNodes(pages, number, page, kind)) return;
  pages.kinds[number] = kind;
}

/** False when a node does not lie within the page. */
function noteNodes(pages: Pages, number: number, page: Uint16Array, kind: number): boolean {
  const end = page.byteLength;
  const lower = word(page, LOWER_OFFSET);
  const upper = word(page, UPPER_OFFSET);
  if (lower > upper || lower % 2 === 1 || upper > end - PAGE_HEADER_BYTES) return false;
  const below: number[] = [];
  const longValues: { page: number; pages: number }[] = [];
  for (let at = PAGE_HEADER_BYTES; at < PAGE_HEADER_BYTES + lower; at += 2) {
    const node = PAGE_HEADER_BYTES + word(page, at);
    if (node < PAGE_HEADER_BYTES + upper || node % 2 === 1 || node + NODE_HEADER_BYTES > end) return false;
    const size = long(page, node);
    const flags = word(page, node + 4);
    const data = node + NODE_HEADER_BYTES + word(page, node + 6);
    if (kind === BRANCH) {
      if (data > end) return false;
      below.push(size + flags * 2 ** 32);
      continue;
    }
    const isOnPages = (flags & DATA_ON_PAGES) !== 0;
    const isTree = (flags & DATA_IS_TREE) !== 0 && size === TREE_BYTES;
    if (data + (isOnPages ? PAGE_HEADER_BYTES : size) > end) return false;
    if (!isOnPages && !isTree) continue;
    const bytes = new DataView(
      page.buffer,
      page.byteOffset + data,
      isOnPages ? PAGE_HEADER_BYTES : TREE_BYTES,
    ); // at any offset
    if (isOnPages) longValues.push({ page: readWide(bytes, 0), pages: readWide(bytes, 16) });
    else if (bytes.getBigUint64(ROOT_OFFSET, true) !== NO_ROOT) below.push(readWide(bytes, ROOT_OFFSET));
  }
  if (below.length > 0) pages.below.set(number, below);
  if (longValues.length > 0) pages.longValues.set(number, longValues);
  return true;
}

function readWide(bytes: DataView, offset: number): number {
  return Number(bytes.getBigUint64(offset, true));
}

/** From the roots down, each page once. */
function findBrokenPage(pages: Pages, roots: readonly bigint[]): string | undefined {
  const { count, kinds, below, longValues, lengths } = pages;
  const seen = new Uint8Array(count);
  const due = roots.filter((root) => root !== NO_ROOT).map(Number);
  for (let page = due.pop(); page !== undefined; page = due.pop()) {
    if (page >= count) return describeMissing(page, count);
    const kind = kinds[page];
    if ((kind !== BRANCH && kind !== LEAF) || seen[page] === 1) return describeBroken(page, count);
    seen[page] = 1;
    for (const child of below.get(page) ?? []) due.push(child);
    for (const value of longValues.get(page) ?? []) {
      if (value.page + value.pages > count) return describeMissing(value.page + value.pages - 1, count);
      if (kinds[value.page] !== LONG_VALUE || lengths.get(value.page) !== value.pages)
        return describeBroken(value.page, count);
    }
  }
  return undefined;
}

function describeMissing(page: number, count: number): string {
  return `has been cut short: it ends after page ${count - 1}, and page ${page} is needed`;
}

function describeBroken(page: number, count: number): string {
  return `has been overwritten: page ${page} of ${count} is not the one that was written there`;
}
