/**
 * A run in lines that a person can read: what clients did, what broke, what peers noticed and, when asked for, said.
 *
 * Only looks on. With `limit` it keeps the last so many lines: those before a failure.
 */
import type { Observer } from './checker.ts';
import { describeMessage, sniff } from './sniffer.ts';

interface TranscriptOptions {
  /** Messages too; otherwise events alone. */
  readonly hasMessages?: boolean;
  readonly onLine?: (line: string) => void;
  /** Lines kept for `lines`; none when left out. */
  readonly limit?: number;
}

interface Transcript {
  readonly observer: Observer;
  lines(): readonly string[];
}

export function createTranscript(options: TranscriptOptions): Transcript {
  let kept: string[] = [];
  const limit = options.limit ?? 0;

  function add(atMs: number, where: string, text: string): void {
    const line = `${(atMs / 1000).toFixed(3).padStart(9)}  ${where.padEnd(8)} ${text}`;
    options.onLine?.(line);
    if (limit === 0) return;
    kept.push(line);
    if (kept.length > 2 * limit) kept = kept.slice(-limit);
  }

  return {
    observer: {
      onEvent: add,
      ...(options.hasMessages === true
        ? {
            onPacket: (atMs, fate, from, to, bytes, channel) => {
              const message = sniff(bytes);
              const what = message === undefined ? `${bytes.length} bytes` : describeMessage(message);
              const how = fate === 'sent' ? '' : ` (${fate})`;
              add(atMs, from, `→ ${to} ${channel === 'unicast' ? '' : `by ${channel} `}${what}${how}`);
            },
          }
        : {}),
    },
    lines: () => kept.slice(-limit),
  };
}
