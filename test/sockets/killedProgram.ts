/**
 * killedPeer.ts as a program that node runs by itself: translated once, it waits for no compiler at each of many starts.
 *
 * Owns the translated file, which goes when this process does.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';

/** What node is given in place of the built command line. */
export function translateKilledPeer(): readonly string[] {
  const source = readFileSync(new URL('killedPeer.ts', import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  const folder = mkdtempSync(join(tmpdir(), 'toposphere-killed-'));
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  const program = join(folder, 'killedPeer.mjs');
  writeFileSync(program, outputText);
  return [program];
}
