/**
 * Where `serve` prints what a peer logs: sentences for people, or one JSON object a line for machines.
 *
 * Owns both forms. What is logged and under which names is src/peer/events.ts's. Invariant: as text, a record is its
 * sentence and nothing else, warnings on stderr; as JSON every record is one line on stdout, whatever its sentence holds.
 */
import type { Logger } from '../peer/logger.ts';
import type { Settings } from '../peer/tunables.ts';
import { printLine, printWarning } from './print.ts';

export const textLogger: Logger = ({ level, message }) => {
  if (level === 'info') printLine(message);
  else printWarning(message);
};

/** What `--log-format` asks for; a format that there is not is refused with the other settings, not here. */
export async function openLogger({ logFormat }: Settings): Promise<Logger> {
  return logFormat === 'json' ? openJsonLogger() : textLogger;
}

async function openJsonLogger(): Promise<Logger> {
  // Loaded only here: other commands, and text, do not need it.
  const { pino, stdTimeFunctions } = await import('pino');
  const lines = pino(
    {
      base: null, // whose record it is it says itself
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    process.stdout, // its errors are brokenOutput.ts's
  );
  return ({ level, message, event, peer, incarnation, fields }) => {
    lines[level]({ event, peer, incarnation, fields }, message);
  };
}
