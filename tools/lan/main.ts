/**
 * `npm run lan [-- --short] [--hosts n] [--minutes n] [--seed n] [--writes n] [--only part,…] [--scenario file] [--plot file.html]`
 *
 * A laboratory of 3 to 16 hosts on this machine, each a network namespace with the shipped peer in it (issue 6). Owns what has to be true before and after: the
 * privileges and programs without which it says `skipped` and why, the folder of the run, and the namespaces that all of it happens in. Invariant: nothing is left behind,
 * however the run ends: cables, mounts and processes live in namespaces of network, mounts and processes that die with their first process, and the system kills that
 * one with this one.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { print } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { readArguments } from './arguments.ts';

/** Networks, mounts and processes of its own; all of them end when this process does, by whatever signal. */
const APART = [
  ...['setpriv', '--pdeathsig', 'KILL'],
  ...['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
] as const;
const PROGRAMS = ['setpriv', 'unshare', 'ip', 'ethtool', 'python3'];

/** Why no laboratory can be set up here; undefined when it can. */
function whySkipped(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  const missing = PROGRAMS.filter((program) => !succeeds('sh', ['-c', `command -v ${program}`]));
  if (missing.length > 0)
    return `missing: ${missing.join(', ')} (Debian: iproute2, ethtool, python3, util-linux)`;
  const trial = 'ip link add trial0 type veth peer name trial1 && mount -t tmpfs tmpfs /mnt';
  if (!succeeds(APART[0], [...APART.slice(1), 'sh', '-c', trial]))
    return 'this system lets root make no namespaces, veth pairs or mounts';
  return undefined;
}

function succeeds(command: string, words: readonly string[]): boolean {
  try {
    execFileSync(command, [...words], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs the laboratory in namespaces of its own; resolves with its exit code. */
function runApart(directory: string): Promise<number> {
  const inside = fileURLToPath(new URL('inside.ts', import.meta.url));
  const words = [
    ...APART.slice(1),
    process.execPath,
    ...process.execArgv,
    inside,
    directory,
    ...process.argv.slice(2),
  ];
  const child = spawn(APART[0], words, { stdio: ['ignore', 'inherit', 'inherit'] });
  const kill = (): void => {
    child.kill('SIGKILL'); // and with it all that is inside
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, kill);
  process.once('exit', kill);
  return new Promise((resolve) => {
    child.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
}

async function main(): Promise<void> {
  readArguments(process.argv.slice(2)); // faults of the command line are said before anything is made
  const why = whySkipped();
  if (why !== undefined) {
    print(`skipped: ${why}`);
    return;
  }
  const directory = await mkdtemp(join(tmpdir(), 'toposphere-lan-'));
  try {
    process.exitCode = await runApart(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

await runTool('lan', main);
