/**
 * The list of events against the code that logs them: nothing is logged that is not listed, and nothing is listed
 * that is not logged.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { EVENTS } from '../../src/peer/events.ts';
import { createLog, type LogRecord } from '../../src/peer/logger.ts';

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

function parse(text: string): ts.SourceFile {
  return ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
}

function forEachNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => {
    forEachNode(child, visit);
  });
}

/** Names in calls of `log`, whatever it is a member of; and those that the core gives its notices, which noticeLog.ts logs. */
function namesIn(text: string): readonly string[] {
  const names: string[] = [];
  forEachNode(parse(text), (node) => {
    if (!ts.isCallExpression(node)) return;
    const callee = node.expression.getText();
    const [first] = node.arguments;
    const isLog = /(?:^|[.#])log$/.test(callee) && callee !== 'Math.log';
    if (isLog && first !== undefined && ts.isStringLiteral(first)) names.push(first.text);
  });
  return names;
}

/** `name: '…'` of notices, as NoticeName lists them. */
function noticeNames(): readonly string[] {
  const names: string[] = [];
  forEachNode(parse(readFileSync(`${SOURCES}/core/effects.ts`, 'utf8')), (node) => {
    if (!ts.isTypeAliasDeclaration(node) || node.name.text !== 'NoticeName') return;
    forEachNode(node.type, (part) => {
      if (ts.isStringLiteral(part)) names.push(part.text);
    });
  });
  return names;
}

/** Output that goes past the log: what runs as a server has no business with it. */
function outputsIn(text: string): readonly string[] {
  const found: string[] = [];
  forEachNode(parse(text), (node) => {
    if (!ts.isPropertyAccessExpression(node) && !ts.isCallExpression(node)) return;
    const said = ts.isCallExpression(node) ? node.expression.getText() : node.getText();
    if (/^console\.|^process\.(?:stdout|stderr)$|^print(?:Line|Warning)$/.test(said)) found.push(said);
  });
  return found;
}

const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);
const read = (name: string): string => readFileSync(`${SOURCES}/${name}`, 'utf8');

describe('the list of events', () => {
  it('names whatever is logged, and nothing else', () => {
    const logged = new Set([...files.flatMap((name) => namesIn(read(name))), ...noticeNames()]);
    assert.deepEqual([...logged].sort(), Object.keys(EVENTS).sort());
  });

  it('sees a call of the log in each of its forms', () => {
    const text = "log('a', x); this.#log('b', x); this.#parts.log('c', x, {}); Math.log(2); catalog('d');";
    assert.deepEqual(namesIn(text), ['a', 'b', 'c']);
  });

  it('is passed by nothing that a server says', () => {
    const servers = files.filter((name) =>
      /^(?:core|wire|storage|network|peer|server)\/|^cli\/serve\.ts$/.test(name),
    );
    assert.ok(servers.length > 100);
    assert.deepEqual(
      servers.flatMap((name) => outputsIn(read(name)).map((output) => `${name}: ${output}`)),
      [],
    );
    assert.deepEqual(outputsIn("console.log(1); process.stderr.write('x'); printLine('y');").length, 4);
  });

  it('says of each event what it means', () => {
    for (const [name, { meaning }] of Object.entries(EVENTS)) {
      assert.match(name, /^[a-z][A-Za-z]+$/);
      assert.ok(meaning.length > 10 && !meaning.endsWith('.'), name);
    }
  });
});

describe('a record of the log', () => {
  it("has the event's level, whose it is as known at that moment, the sentence and the fields", () => {
    const records: LogRecord[] = [];
    const drawn: { incarnation?: number } = {};
    const log = createLog(
      (record) => records.push(record),
      () => ({ peer: 'alpha', ...drawn }),
    );
    log('storeDamaged', 'it was damaged');
    drawn.incarnation = 7;
    log('peerAlive', 'beta is alive', { peer: 'beta' });
    assert.deepEqual(records, [
      { event: 'storeDamaged', level: 'warn', peer: 'alpha', message: 'it was damaged', fields: {} },
      {
        event: 'peerAlive',
        level: 'info',
        peer: 'alpha',
        incarnation: 7,
        message: 'beta is alive',
        fields: { peer: 'beta' },
      },
    ]);
  });
});
