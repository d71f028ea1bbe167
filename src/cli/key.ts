/**
 * `toposphere key`: makes the cluster key file, and takes it through a rotation.
 *
 * Owns saying what comes next after each step. The file's grammar is src/peer/clusterKeyFile.ts's. Invariant: no key is ever printed.
 */
import type { Argv } from 'yargs';
import { addKey, generateKeyText, promoteKey, retireKeys } from '../peer/clusterKeyFile.ts';
import type { KeyStep } from '../peer/clusterKeyFile.ts';
import { createSecretFile, readSecretFile, replaceSecretFile } from '../peer/secretFiles.ts';
import { printLine } from './print.ts';

const ACTIONS = ['generate', 'add', 'promote', 'retire'] as const;
type Action = (typeof ACTIONS)[number];

const STEPS = { add: addKey, promote: promoteKey, retire: retireKeys };

function describeStep(action: Exclude<Action, 'generate'>, file: string, step: KeyStep): readonly string[] {
  const { keyId, keys } = step;
  const others = keys.slice(1).map(({ id }) => id);
  const copy = `Copy ${file} to every machine (mode 600), then: toposphere reload`;
  switch (action) {
    case 'add':
      return [
        `key ${keyId} was added to ${file}; key ${keys[0]?.id ?? 0} still seals.`,
        copy,
        `When \`toposphere status\` says that every peer accepts key ${keyId}: toposphere key promote ${file}`,
      ];
    case 'promote':
      return [
        `key ${keyId} seals from now on; accepted as well: ${others.join(', ')}.`,
        copy,
        `When \`toposphere status\` says that every peer seals with key ${keyId}: toposphere key retire ${file}`,
      ];
    case 'retire':
      return [
        `key ${keyId} is the only one left in ${file}.`,
        `${copy}. From then on nothing older is accepted.`,
      ];
  }
}

async function takeStep(action: Action, file: string): Promise<readonly string[]> {
  if (action === 'generate') {
    await createSecretFile(file, generateKeyText());
    return [
      `${file} holds a new cluster key, number 1.`,
      `Copy it to every machine (mode 600), and start each peer with --cluster-key-file ${file}`,
    ];
  }
  const step = STEPS[action](await readSecretFile(file, 'cluster key'), file);
  await replaceSecretFile(file, step.text);
  return describeStep(action, file, step);
}

export function addKeyCommand(yargs: Argv): Argv {
  return yargs.command(
    'key <action> <file>',
    'make a cluster key file, or change the key of a running cluster: generate, add, promote, retire',
    (options) =>
      options
        .positional('action', { choices: ACTIONS, demandOption: true, describe: 'what to do' })
        .positional('file', { type: 'string', demandOption: true, describe: 'path of the cluster key file' })
        .example('toposphere key generate cluster.key', 'a new file with one key; none is overwritten')
        .example(
          'toposphere key add cluster.key',
          'one more key, which peers accept and do not seal with yet',
        )
        .example('toposphere key promote cluster.key', 'the newest key seals')
        .example('toposphere key retire cluster.key', 'the keys that do not seal any more are dropped'),
    async ({ action, file }) => {
      for (const line of await takeStep(action, file)) printLine(line);
    },
  );
}
