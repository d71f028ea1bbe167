/**
 * `npm run lan [-- --short] [--hosts n] [--minutes n] [--seed n] [--writes n] [--only part,…] [--scenario file] [--plot file.html]`
 *
 * Laboratories of 3 to 16 hosts on this machine, each host a network namespace with the shipped peer in it (issue 6). Owns what has to be true before and after: the
 * privileges and programs without which it says `skipped` and why, the folder of the run, and the namespaces that each laboratory is in. Invariants: laboratories do not
 * meet, neither those of one run nor those of two; nothing is left behind, however the run ends: cables, mounts and processes live in namespaces that
 * die with their first process, and the system kills that one with this one.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watchOthers } from '../bench/processorTime.ts';
import { print } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { PARTS_OF, readArguments, type Half } from './arguments.ts';

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

interface Running {
  /** Its exit code. */
  readonly ended: Promise<number>;
  /** What it prints comes out from now on, and what it has printed. */
  readonly show: () => void;
  /** Nothing else of this run is at work. */
  readonly tellQuiet: () => void;
}

/** Sets up one laboratory in namespaces of its own, and lets it work. */
function runApart(directory: string, half: Half): Running {
  const inside = fileURLToPath(new URL('inside.ts', import.meta.url));
  const words = [
    ...APART.slice(1),
    process.execPath,
    ...process.execArgv,
    inside,
    directory,
    half,
    ...process.argv.slice(2),
  ];
  const child = spawn(APART[0], words, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined); // it has ended: `ended` says so
  const kill = (): void => {
    child.kill('SIGKILL'); // and with it all that is inside
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, kill);
  process.once('exit', kill);
  let isShown = false;
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (isShown) process.stdout.write(text);
    else printed += text;
  });
  return {
    ended: new Promise((resolve) => {
      child.once('close', (code) => {
        resolve(code ?? 1);
      });
    }),
    show() {
      isShown = true;
      process.stdout.write(printed);
    },
    tellQuiet() {
      child.stdin.write('quiet\n');
    },
  };
}

/** The laboratories one after the other, or side by side in the short form: what compares paces waits there until it is alone. */
async function runHalves(directory: string, halves: readonly Half[], isSideBySide: boolean): Promise<number> {
  const [first, ...others] = halves;
  if (first === undefined) return 0;
  const running = runApart(directory, first);
  const beside = isSideBySide ? others.map((half) => runApart(directory, half)) : [];
  running.show();
  if (beside.length === 0) running.tellQuiet();
  const codes = [await running.ended];
  for (const half of isSideBySide ? beside : others) {
    const next = typeof half === 'string' ? runApart(directory, half) : half;
    next.show();
    next.tellQuiet();
    codes.push(await next.ended);
  }
  return Math.max(...codes);
}

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2)); // faults of the command line are said before anything is made
  const why = whySkipped();
  if (why !== undefined) {
    print(`skipped: ${why}`);
    return;
  }
  const wanted = (half: Half): boolean => PARTS_OF[half].some((part) => given.parts.includes(part));
  const halves: readonly Half[] =
    given.scenario === undefined ? (['many', 'three'] as const).filter(wanted) : ['script'];
  print(
    `toposphere lan, node ${process.version}, ${availableParallelism()} cores; ${given.hosts} hosts, seed ${given.seed}`,
  );
  const othersShare = await watchOthers();
  const directory = await mkdtemp(join(tmpdir(), 'toposphere-lan-'));
  try {
    process.exitCode = await runHalves(directory, halves, given.isShort);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  // Six hosts that compete with others for two cores are slow for reasons that are not theirs.
  print(`\nother processes used ${Math.round((await othersShare()) * 100)}% of the machine`);
}

await runTool('lan', main);
