/**
 * Parts on their way to one peer: how many of them, how many bytes, and whether another one may follow.
 *
 * For whatever goes in numbered parts by stream, the next ones as those before have come: a window of them is in memory, however long the whole is. Keeps no part itself.
 */

export interface PartWindow {
  /** Parts that have come, and parts sent. */
  arrived: number;
  sent: number;
  /** Of each part that was sent: a long value makes a long part, and a few of those fill a stream. */
  readonly bytes: number[];
}

export function createPartWindow(): PartWindow {
  return { arrived: 0, sent: 0, bytes: [] };
}

/** All before `part` have come. The same said again: what followed was lost, and is to be sent once more. Answers whether it is news. */
export function noteParts(window: PartWindow, part: number): boolean {
  const isNews = part > window.arrived;
  if (!isNews) window.sent = part;
  window.arrived = part;
  return isNews;
}

/** Whether the next part may leave, where `parts` of `partBytes` may be on their way. */
export function hasRoom({ arrived, sent, bytes }: PartWindow, parts: number, partBytes: number): boolean {
  const underWay = bytes.slice(arrived, sent).reduce((sum, one) => sum + one, 0);
  return sent < arrived + parts && underWay < parts * partBytes;
}

export function noteSent(window: PartWindow, bytes: number): void {
  window.bytes[window.sent] = bytes;
  window.sent += 1;
}
