/**
 * The house rules that a machine can check: who may import whom, what the core may not touch, and where
 * sockets and the end of the process live (ARCHITECTURE.md says why).
 *
 * Each rule is a function of a file's path and text that returns what is wrong. Each has a test of its own
 * with a planted violation, so that a rule that has gone blind fails too.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

type Rule = (path: string, text: string) => readonly string[];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Lines past which a file has a second noun. */
const SOURCE_LINES_MAXIMUM = 400;

interface Import {
  /** A path from the root for relative imports, else the name of the package. */
  readonly to: string;
  readonly isTypeOnly: boolean;
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
}

function forEachNode(source: ts.SourceFile, visit: (node: ts.Node) => void): void {
  const walk = (node: ts.Node): void => {
    visit(node);
    ts.forEachChild(node, walk);
  };
  walk(source);
}

function isTypeOnlyImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  if (clause.name !== undefined || named === undefined || !ts.isNamedImports(named)) return false;
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly);
}

/** Static imports, re-exports, import(), require() and import types. */
function importsOf(path: string, text: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const name = specifier.text;
    found.push({ to: name.startsWith('.') ? posix.join(dirname(path), name) : name, isTypeOnly });
  };
  forEachNode(parse(path, text), (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnlyImport(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node)) {
      const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
      if (isImport || node.expression.getText() === 'require') add(node.arguments[0], false);
    }
  });
  return found;
}

/** `core` for src/core/clock.ts, `src` for src/index.ts, else the top folder. */
function roomOf(path: string): string {
  const [top = '', room = '', rest] = path.split('/');
  return top === 'src' && rest !== undefined ? room : top;
}

/** The core's contract with the rooms beside it: types, and the little that both sides must compute alike. */
const CONTRACT = ['types', 'messages', 'store', 'errors', 'session'].map((name) => `src/core/${name}.ts`);

/** Rooms a room may import from, besides itself. `core types` is the contract, and the types of any core file. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ['core types'],
  storage: ['core types'],
  network: ['core types', 'wire'],
  peer: ['core', 'wire', 'storage', 'network'],
  server: ['core types', 'src/network/tcp.ts', 'src/network/tls.ts', 'src/peer/backend.ts'],
  client: [
    'core types',
    'src/network/tcp.ts',
    'src/network/tls.ts',
    'src/network/tlsFaults.ts',
    'src/peer/serversFile.ts',
  ],
  simulator: ['core', 'wire', 'storage', 'peer'],
  cli: ['core', 'wire', 'storage', 'network', 'peer', 'server', 'client', 'simulator'],
  src: ['core', 'wire', 'storage', 'network', 'peer', 'server', 'simulator'],
};

function isAllowedImport(room: string, { to, isTypeOnly }: Import): boolean {
  return (MAY_IMPORT[room] ?? []).some((allowed) => {
    if (allowed !== 'core types') return allowed === to || allowed === roomOf(to);
    return CONTRACT.includes(to) || (isTypeOnly && roomOf(to) === 'core');
  });
}

const importDirections: Rule = (path, text) => {
  const room = roomOf(path);
  if (!path.startsWith('src/')) return [];
  if (!(room in MAY_IMPORT)) return [`${path}: the folder src/${room} has no line in the import directions`];
  return importsOf(path, text)
    .filter(({ to }) => /^(?:src|test|tools|config|dist)\//.test(to) || to.startsWith('..'))
    .filter((one) => roomOf(one.to) !== room && !isAllowedImport(room, one))
    .map(({ to }) => `${path}: ${room} may not import ${to}`);
};

/** Globals through which time, chance or the machine would reach the core. */
const IMPURE = new Set([
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'crypto',
  'fetch',
  'globalThis',
  'require',
]);

/** A name that is used as a value, not declared as a member or read off another object. */
function isFreeName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodSignature(parent)) {
    return parent.name !== node;
  }
  return !ts.isMethodDeclaration(parent) && !ts.isPropertyDeclaration(parent);
}

const pureCore: Rule = (path, text) => {
  if (roomOf(path) !== 'core') return [];
  const faults = importsOf(path, text)
    .filter(({ to }) => !to.startsWith('src/'))
    .map(({ to }) => `${path}: the core may not import ${to}`);
  forEachNode(parse(path, text), (node) => {
    if (ts.isIdentifier(node) && IMPURE.has(node.text) && isFreeName(node)) {
      faults.push(`${path}: the core may not use ${node.text}`);
    }
    if (
      (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) &&
      /^Math\s*(?:\?\.)?\s*[.[]\s*['"`]?random/.test(node.getText())
    ) {
      faults.push(`${path}: the core may not use Math.random`);
    }
  });
  return faults;
};

const SOCKET_MODULES = /^(?:node:)?(?:dgram|net|tls)$|^multicast-dns$/;

const socketsInNetwork: Rule = (path, text) =>
  path.startsWith('src/') && roomOf(path) !== 'network'
    ? importsOf(path, text)
        .filter(({ to }) => SOCKET_MODULES.test(to))
        .map(({ to }) => `${path}: only src/network may import ${to}`)
    : [];

const exitInCli: Rule = (path, text) => {
  if (!path.startsWith('src/') || roomOf(path) === 'cli') return [];
  const faults: string[] = [];
  forEachNode(parse(path, text), (node) => {
    const isEnd =
      ts.isPropertyAccessExpression(node) &&
      node.expression.getText() === 'process' &&
      ['exit', 'exitCode', 'abort', 'reallyExit'].includes(node.name.text);
    if (isEnd) faults.push(`${path}: only src/cli may use ${node.getText()}`);
  });
  return faults;
};

const lengthOfFile: Rule = (path, text) => {
  const lines = text.replace(/\n$/, '').split('\n').length;
  return path.startsWith('src/') && lines > SOURCE_LINES_MAXIMUM
    ? [`${path}: has ${lines} lines, more than ${SOURCE_LINES_MAXIMUM}; what is its second noun?`]
    : [];
};

const everyTestRuns: Rule = (path, text) => {
  if (!path.startsWith('test/')) return [];
  const faults: string[] = [];
  forEachNode(parse(path, text), (node) => {
    const isLeft =
      (ts.isPropertyAccessExpression(node) &&
        /^(?:describe|it|context|suite|test|specify)$/.test(node.expression.getText()) &&
        ['only', 'skip'].includes(node.name.text)) ||
      (ts.isCallExpression(node) && /^(?:xit|xdescribe|xcontext|xspecify)$/.test(node.expression.getText()));
    if (isLeft) faults.push(`${path}: ${node.getText().split('(')[0] ?? ''} leaves tests out`);
  });
  return faults;
};

const opensWithComment: Rule = (path, text) =>
  path.startsWith('src/') && !/^(?:#!.*\n)?\/\*\*[\s\S]*?\*\//.test(text)
    ? [`${path}: does not begin with a doc comment that says what it owns`]
    : [];

const lockWithoutRegistry: Rule = (path, text) =>
  path === 'package-lock.json' && text.includes('"resolved"')
    ? [`${path}: has resolved fields, which tie installs to one registry; see .npmrc`]
    : [];

const RULES: readonly Rule[] = [
  importDirections,
  pureCore,
  socketsInNetwork,
  exitInCli,
  lengthOfFile,
  everyTestRuns,
  opensWithComment,
  lockWithoutRegistry,
];

function listFiles(): readonly string[] {
  const files = ['src', 'test', 'tools'].flatMap((top) =>
    readdirSync(`${ROOT}/${top}`, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${top}/${name.replaceAll('\\', '/')}`),
  );
  return [...files, 'package-lock.json'];
}

/** What each file exports, and by what name others take it; `*` where all of it is taken. */
function exportsOf(path: string, text: string): readonly string[] {
  return parse(path, text).statements.flatMap((statement) => {
    if (ts.isExportDeclaration(statement)) {
      const named = statement.exportClause;
      return named !== undefined && ts.isNamedExports(named)
        ? named.elements.map(({ name }) => name.text)
        : [];
    }
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
    if (!isExported) return [];
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map(({ name }) => name.getText());
    return 'name' in statement ? [(statement.name as ts.Node).getText()] : [];
  });
}

/** `path name` of all that a file takes from others. */
function takenBy(path: string, text: string): readonly string[] {
  const taken: string[] = [];
  forEachNode(parse(path, text), (node) => {
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [from] = node.arguments;
      if (from !== undefined && ts.isStringLiteralLike(from))
        taken.push(`${posix.join(dirname(path), from.text)} *`);
    }
    if (!ts.isImportDeclaration(node) && !ts.isExportDeclaration(node)) return;
    const from = node.moduleSpecifier;
    if (from === undefined || !ts.isStringLiteral(from)) return;
    const named = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause;
    const names =
      named !== undefined && (ts.isNamedImports(named) || ts.isNamedExports(named))
        ? named.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
        : ['*'];
    for (const name of names) taken.push(`${posix.join(dirname(path), from.text)} ${name}`);
  });
  return taken;
}

/** What users import, by package.json. */
const PUBLISHED = ['src/index.ts', 'src/client/index.ts', 'src/simulator/index.ts'];

/** Exports of src that no other file takes: what nobody needs is one thing less to read, and what a file keeps to itself may change. */
function unusedExports(files: readonly (readonly [path: string, text: string])[]): readonly string[] {
  const taken = new Set(files.flatMap(([path, text]) => takenBy(path, text)));
  return files
    .filter(([path]) => path.startsWith('src/') && !PUBLISHED.includes(path) && !taken.has(`${path} *`))
    .flatMap(([path, text]) => exportsOf(path, text).map((name) => `${path} ${name}`))
    .filter((one) => !taken.has(one));
}

describe('the house', () => {
  it('is in order', () => {
    const faults = listFiles().flatMap((path) => {
      const text = readFileSync(`${ROOT}/${path}`, 'utf8');
      return RULES.flatMap((rule) => rule(path, text));
    });
    assert.deepEqual(faults, []);
  }).timeout(60_000); // it reads every file of the house, on however busy a machine

  it('exports nothing that nobody takes', () => {
    const files = listFiles()
      .filter((path) => path.endsWith('.ts'))
      .map((path) => [path, readFileSync(`${ROOT}/${path}`, 'utf8')] as const);
    assert.deepEqual(unusedExports(files), []);
  }).timeout(60_000);

  it('sees an export that nobody takes, whatever it is, and none that somebody does', () => {
    const uses =
      "import { a, type B } from './a.ts';\nimport * as all from './c.ts';\nexport { d as e } from './d.ts';";
    const found = unusedExports([
      [
        'src/core/a.ts',
        'export const a = 1;\nexport interface B {}\nexport const x = a;\nexport interface Y {}',
      ],
      ['src/core/b.ts', uses],
      ['src/core/c.ts', 'export function c(): void {}'],
      ['src/core/d.ts', 'export class d {}\nexport type Z = d;\nclass Own {}'],
      ['src/index.ts', "export { anything } from './core/b.ts';"],
    ]);
    assert.deepEqual(found, ['src/core/a.ts x', 'src/core/a.ts Y', 'src/core/b.ts e', 'src/core/d.ts Z']);
  });

  it('is looked at whole: every room that has files is among them', () => {
    const rooms = new Set(listFiles().map(roomOf));
    for (const room of ['core', 'cli', 'test']) assert.ok(rooms.has(room), room);
  });
});

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(0, 70);
}

/** What each rule must refuse, and what it must let pass. */
function planted(
  rule: Rule,
  title: string,
  refused: readonly [string, string][],
  passed: readonly [string, string][],
): void {
  describe(`the rule: ${title}`, () => {
    for (const [path, text] of refused) {
      it(`refuses in ${path}: ${firstLine(text)}`, () => {
        assert.ok(rule(path, text).length > 0);
      });
    }
    for (const [path, text] of passed) {
      it(`lets pass in ${path}: ${firstLine(text)}`, () => {
        assert.deepEqual(rule(path, text), []);
      });
    }
  });
}

planted(
  importDirections,
  'imports go one way',
  [
    ['src/core/a.ts', "import { x } from '../wire/b.ts';"],
    ['src/core/a.ts', "import type { X } from '../peer/b.ts';"],
    ['src/core/a.ts', "export * from '../storage/b.ts';"],
    ['src/core/a.ts', "const x = await import('../network/b.ts');"],
    ['src/core/a.ts', "type X = import('../network/b.ts').X;"],
    ['src/wire/a.ts', "import { onSync } from '../core/onSync.ts';"],
    ['src/storage/a.ts', "import { x } from '../wire/b.ts';"],
    ['src/network/a.ts', "import { x } from '../storage/b.ts';"],
    ['src/network/a.ts', "import { type X, y } from '../core/state.ts';"],
    ['src/peer/a.ts', "import { x } from '../server/b.ts';"],
    ['src/server/a.ts', "import { x } from '../network/multicast.ts';"],
    ['src/server/a.ts', "import { Peer } from '../peer/peer.ts';"],
    ['src/server/a.ts', "import { x } from '../cli/b.ts';"],
    ['src/index.ts', "export { x } from './cli/b.ts';"],
    ['src/index.ts', "export { x } from './client/b.ts';"],
    ['src/peer/a.ts', "import type { X } from '../client/b.ts';"],
    ['src/simulator/a.ts', "import { x } from '../client/b.ts';"],
    ['src/client/a.ts', "import type { X } from '../peer/peer.ts';"],
    ['src/client/a.ts', "import { x } from '../server/b.ts';"],
    ['src/cli/a.ts', "import { x } from '../../tools/b.ts';"],
    ['src/cli/a.ts', "import { x } from '../../test/b.ts';"],
    ['src/newroom/a.ts', ''],
  ],
  [
    ['src/core/a.ts', "import { x } from './b.ts';"],
    ['src/wire/a.ts', "import { compareTags } from '../core/types.ts';"],
    ['src/wire/a.ts', "import type { X } from '../core/state.ts';"],
    ['src/wire/a.ts', "import { type X } from '../core/state.ts';"],
    ['src/network/a.ts', "import { x } from '../wire/b.ts';"],
    ['src/peer/a.ts', "import { x } from '../core/onSync.ts'; import { y } from '../network/udp.ts';"],
    ['src/server/a.ts', "import { listenTcp } from '../network/tcp.ts';"],
    ['src/server/a.ts', "import type { Backend } from '../peer/backend.ts';"],
    ['src/cli/a.ts', "import { x } from '../server/b.ts';"],
    ['src/cli/a.ts', "import { x } from '../client/b.ts';"],
    ['src/client/a.ts', "import { readServersFile } from '../peer/serversFile.ts';"],
    ['src/index.ts', "export { Peer } from './peer/peer.ts';"],
    ['test/core/a.test.ts', "import { x } from '../../src/cli/b.ts';"],
  ],
);

planted(
  pureCore,
  'the core touches no clock, no chance, no machine',
  [
    ['src/core/a.ts', "import { readFile } from 'node:fs';"],
    ['src/core/a.ts', "import { pack } from 'msgpackr';"],
    ['src/core/a.ts', 'const now = Date.now();'],
    ['src/core/a.ts', 'const now = new Date();'],
    ['src/core/a.ts', 'const { now } = Date;'],
    ['src/core/a.ts', 'const x = Math.random();'],
    ['src/core/a.ts', "const x = Math['random']();"],
    ['src/core/a.ts', 'const x = performance.now();'],
    ['src/core/a.ts', 'setTimeout(() => undefined, 1);'],
    ['src/core/a.ts', 'const timer = { start: setInterval };'],
    ['src/core/a.ts', 'setImmediate(() => undefined);'],
    ['src/core/a.ts', 'const x = process.env;'],
    ['src/core/a.ts', 'const x = globalThis;'],
  ],
  [
    ['src/core/a.ts', '// Date.now() and Math.random() are handed in\nconst x = Math.max(1, 2);'],
    ['src/core/a.ts', 'const text = "setTimeout";'],
    ['src/core/a.ts', 'effects.setTimeout(1); runtime.performance.now();'],
    ['src/core/a.ts', 'interface Runtime { setTimeout(token: number): void; process: number }'],
    ['src/wire/a.ts', "import { hash } from 'node:crypto'; Date.now();"],
  ],
);

planted(
  socketsInNetwork,
  'sockets live in src/network',
  [
    ['src/peer/a.ts', "import { createSocket } from 'node:dgram';"],
    ['src/cli/a.ts', "import type { Socket } from 'node:net';"],
    ['src/server/a.ts', "const net = await import('net');"],
    ['src/peer/a.ts', "import mdns from 'multicast-dns';"],
  ],
  [
    ['src/network/a.ts', "import { createSocket } from 'node:dgram';"],
    ['test/cli/a.ts', "import { createServer } from 'node:net';"],
  ],
);

planted(
  exitInCli,
  'only src/cli ends the process',
  [
    ['src/peer/a.ts', 'process.exit(1);'],
    ['src/server/a.ts', 'if (x) process.exitCode = 1;'],
    ['src/index.ts', 'process.abort();'],
  ],
  [
    ['src/cli/a.ts', 'process.exit(1);'],
    ['src/peer/a.ts', '// process.exit is not for us\nserver.exit();'],
  ],
);

planted(
  lengthOfFile,
  'a file has one noun',
  [['src/core/a.ts', 'x;\n'.repeat(SOURCE_LINES_MAXIMUM + 1)]],
  [['src/core/a.ts', 'x;\n'.repeat(SOURCE_LINES_MAXIMUM)]],
);

planted(
  everyTestRuns,
  'every test runs',
  [
    ['test/a.test.ts', "describe.only('x', () => undefined);"],
    ['test/a.test.ts', "it.only('x', () => undefined);"],
    ['test/a.test.ts', "it.skip('x', () => undefined);"],
    ['test/a.test.ts', "xit('x', () => undefined);"],
  ],
  [['test/a.test.ts', "it('never uses it.only', () => { list.skip(); });"]],
);

planted(
  opensWithComment,
  'a source file says first what it owns',
  [
    ['src/core/a.ts', "import { x } from './b.ts';\n/** Late. */"],
    ['src/core/a.ts', '// Not a doc comment\n'],
  ],
  [
    ['src/core/a.ts', '/**\n * Owns x.\n */\n'],
    ['src/cli/main.ts', '#!/usr/bin/env node\n/**\n * Owns x.\n */\n'],
  ],
);

planted(
  lockWithoutRegistry,
  'the lock file names no registry',
  [['package-lock.json', '{ "packages": { "x": { "resolved": "somewhere" } } }']],
  [['package-lock.json', '{ "packages": { "x": { "version": "1.0.0" } } }']],
);
